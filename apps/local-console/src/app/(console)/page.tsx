import { Explorer } from '@thatdam/console/explorer/explorer'
import type { Metadata } from 'next'

export const metadata: Metadata = { title: 'Explorer' }

export default function Page() {
  return <Explorer />
}
