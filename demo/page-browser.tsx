import { createRoot } from 'react-dom/client'
import { Page } from './page.tsx'

const root = document.getElementById('page')
if (root === null) throw new Error('This page is damaged: there is no place to draw in.')
createRoot(root).render(<Page />)
