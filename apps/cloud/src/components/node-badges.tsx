import { Badge } from '@thatdam/ui/badge'
import { Crown, Hourglass, Lock } from 'lucide-react'
import type { NodeView } from '../domain/node-view.ts'
import { agoText, AWAY_AFTER_MS, roleText } from './words.ts'

export function RoleBadge({ role }: { role: NodeView['role'] }) {
  if (role === null) return <Badge tone="outline">{roleText(role)}</Badge>
  const icon = role === 'leader' ? <Crown className="size-3" aria-hidden /> : null
  return (
    <Badge tone={role === 'leader' ? 'accent' : 'neutral'} icon={icon}>
      {roleText(role)}
    </Badge>
  )
}

/** Of a machine that is not in the ring yet: its own role means nothing to the others. */
export function RingBadge() {
  return (
    <Badge tone="outline" icon={<Hourglass className="size-3" aria-hidden />}>
      Waiting
    </Badge>
  )
}

/** Filled and "3 s ago" while it is heard, hollow and "away" after that: never a lamp alone. */
export function Contact({ node }: { node: Pick<NodeView, 'contactAgeMs' | 'locked'> }) {
  if (node.locked) {
    return (
      <Badge tone="danger" icon={<Lock className="size-3" aria-hidden />}>
        Locked out
      </Badge>
    )
  }
  const away = node.contactAgeMs > AWAY_AFTER_MS
  return (
    <span className="inline-flex items-center gap-2 whitespace-nowrap">
      <span aria-hidden className={`size-2 rounded-full border ${away ? 'border-ink-faint' : 'border-healthy bg-healthy'}`} />
      <span data-testid="contact">{away ? `Away, heard ${agoText(node.contactAgeMs)}` : `Heard ${agoText(node.contactAgeMs)}`}</span>
    </span>
  )
}
