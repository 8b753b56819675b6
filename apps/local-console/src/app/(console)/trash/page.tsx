import { Explorer } from '@thatdam/console/explorer/explorer'
import type { Metadata } from 'next'

export const metadata: Metadata = { title: 'Trash' }

export default function Page() {
  return <Explorer trashed />
}
