'use client'
import { Badge } from '@thatdam/ui/badge'
import { cx } from '@thatdam/ui/cx'
import { Crown, ShieldCheck, TriangleAlert } from 'lucide-react'
import type { AgentState } from '../client.tsx'
import { count } from '../format.tsx'
import { contact, troubles, type Member } from './member-view.tsx'

export interface MemberListProps {
  agent: AgentState
  now: number
  selectedId: string | null
  onSelect: (nodeId: string) => void
}

export function MemberList({ agent, now, selectedId, onSelect }: MemberListProps) {
  return (
    <ul aria-label="Machines" className="flex flex-col">
      {agent.members.map((member) => (
        <li key={member.nodeId}>
          <MemberRow
            member={member}
            now={now}
            troubleCount={troubles(agent, member).length}
            selected={member.nodeId === selectedId}
            onSelect={() => onSelect(member.nodeId)}
          />
        </li>
      ))}
    </ul>
  )
}

interface MemberRowProps {
  member: Member
  now: number
  troubleCount: number
  selected: boolean
  onSelect: () => void
}

function MemberRow({ member, now, troubleCount, selected, onSelect }: MemberRowProps) {
  return (
    <button
      type="button"
      aria-pressed={selected}
      onClick={onSelect}
      className={cx('flex min-h-11 w-full items-center gap-3 rounded-md px-3 py-1 text-left', selected ? 'bg-hover' : 'hover:bg-surface')}
    >
      <span
        className={cx('size-2.5 shrink-0 rounded-full border', member.awake ? 'border-healthy bg-healthy' : 'border-ink-faint')}
        aria-hidden
      />
      <span className="min-w-0 flex-1">
        <span className="flex items-center gap-1.5 text-base font-medium text-ink">
          <span className="truncate">{member.name}</span>
          {member.role === 'leader' ? <Crown className="size-3.5 shrink-0 text-accent-text" aria-label="leads" /> : null}
          {member.standby && member.role !== 'leader' ? (
            <ShieldCheck className="size-3.5 shrink-0 text-ink-faint" aria-label="ready to take over" />
          ) : null}
        </span>
        <span className="block truncate text-sm text-ink-faint">{member.osName}</span>
      </span>
      {troubleCount > 0 ? (
        <span className="inline-flex items-center gap-1 text-sm whitespace-nowrap text-ink-soft">
          <TriangleAlert className="size-3.5 text-accent-text" aria-hidden /> {count(troubleCount, 'problem', 'problems')}
        </span>
      ) : null}
      <span className="text-sm whitespace-nowrap text-ink-faint">
        {member.awake ? contact(member, now) : `away, ${contact(member, now)}`}
      </span>
    </button>
  )
}

export function RoleBadges({ member }: { member: Member }) {
  return (
    <>
      {member.role === 'leader' ? (
        <Badge tone="accent" icon={<Crown className="size-3" aria-hidden />}>
          Leader
        </Badge>
      ) : (
        <Badge tone="outline">{member.role === 'proxy' ? 'Camera only' : 'Worker'}</Badge>
      )}
      {member.standby && member.role !== 'leader' ? (
        <Badge tone="outline" icon={<ShieldCheck className="size-3" aria-hidden />}>
          Ready to take over
        </Badge>
      ) : null}
      {member.self ? <Badge tone="outline">This machine</Badge> : null}
      {member.awake ? null : <Badge tone="neutral">Away</Badge>}
    </>
  )
}
