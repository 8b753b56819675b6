import { Monitor } from '@thatdam/console/monitor/monitor'
import type { Metadata } from 'next'

export const metadata: Metadata = { title: 'Monitor' }

export default function Page() {
  return <Monitor />
}
