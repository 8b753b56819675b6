import { renderToString } from 'react-dom/server.edge'
import type { RingHistory } from '@thatdam/ui/ring-timeline-data'
import { Page } from './page-app.tsx'

export const render = (history: RingHistory): string => renderToString(<Page history={history} />)
