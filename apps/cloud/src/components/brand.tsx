import { RingMark } from '@thatdam/ui/ring'
import Link from 'next/link'

export function Brand({ href }: { href: string }) {
  return (
    <Link href={href} className="inline-flex items-center gap-2 text-lg font-semibold text-ink">
      <RingMark className="size-6" />
      ThatDAM
    </Link>
  )
}
