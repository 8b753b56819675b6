'use client'
import { Badge } from '@thatdam/ui/badge'
import { cx } from '@thatdam/ui/cx'
import type { AgentState } from '../client.tsx'
import { count } from '../format.tsx'
import { contact, observed, STATE_WORDS, type Member, type Service } from './member-view.tsx'

/** A line each on a wide screen; on a phone the reason goes below, so that nothing is cut off. */
const SERVICE_ROW =
  'grid grid-cols-[minmax(0,1fr)_auto] items-start gap-x-4 gap-y-0.5 border-b border-line py-2.5 text-base last:border-0 md:grid-cols-[184px_minmax(0,1fr)_auto]'

/** What runs on a machine and why, as it told; of one that told nothing, what it was given to do. */
export function Services({ agent, member, now }: { agent: AgentState; member: Member; now: number }) {
  const told = observed(agent, member)
  const note =
    told === null
      ? agent.node.role === 'leader'
        ? `${member.name} has not told what runs there. This is what it was given to do.`
        : `What runs on ${member.name} is known to the machine that leads${agent.ring.leader === null ? '' : `, ${agent.ring.leader.name}`}.`
      : member.awake
        ? null
        : `Away. This is what it told last, ${contact(member, now)}.`
  return (
    <div className="flex flex-col gap-2">
      {note === null ? null : <p className="text-base text-ink-soft">{note}</p>}
      <ul aria-label={`What runs on ${member.name} and why`}>
        {told === null
          ? member.services.map((service) => <Row key={service.name} service={{ ...service, reason: '', restarts: 0 }} state={null} />)
          : told.services.map((service) => <Row key={service.name} service={service} state={member.awake ? service.state : null} />)}
      </ul>
    </div>
  )
}

function Row({ service, state }: { service: Omit<Service, 'state'>; state: Service['state'] | null }) {
  return (
    <li className={SERVICE_ROW}>
      <span className="text-ink">
        {service.name}
        {service.mode === 'full' ? null : <span className="ml-1.5 text-ink-faint">{service.mode}</span>}
      </span>
      <span className="text-ink-soft max-md:order-3 max-md:col-span-2">
        {service.why}
        {service.reason === '' || state === null ? null : (
          <span className={cx('block', state === 'failed' ? 'text-danger-text' : 'text-ink')}>{service.reason}</span>
        )}
        {service.restarts > 0 && state !== null ? (
          <span className="block text-sm text-ink-faint">Started again {count(service.restarts, 'time', 'times')}</span>
        ) : null}
      </span>
      {state === null ? <span /> : <Badge tone={STATE_WORDS[state].tone}>{STATE_WORDS[state].word}</Badge>}
    </li>
  )
}
