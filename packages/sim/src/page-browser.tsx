import { hydrateRoot } from 'react-dom/client'
import type { RingHistory } from '@thatdam/ui/ring-timeline-data'
import { Page } from './page-app.tsx'
import { DATA_ID, ROOT_ID } from './page-ids.ts'

const root = document.getElementById(ROOT_ID)
const data = document.getElementById(DATA_ID)?.textContent
if (root === null || data === undefined) throw new Error('This page is damaged: its data is missing. Write it anew with npm run sim.')
hydrateRoot(root, <Page history={JSON.parse(data) as RingHistory} />)
