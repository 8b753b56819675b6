import { Nodes } from '@thatdam/console/nodes/nodes'
import type { Metadata } from 'next'

export const metadata: Metadata = { title: 'Nodes' }

export default function Page() {
  return <Nodes />
}
