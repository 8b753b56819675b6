'use client'
import { Badge, type Tone } from '@thatdam/ui/badge'
import { cx } from '@thatdam/ui/cx'
import { Ring } from '@thatdam/ui/ring'
import { Skeleton } from '@thatdam/ui/skeleton'
import { Crown } from 'lucide-react'
import { useState } from 'react'
import type { AgentState } from '../client.tsx'
import { age, count } from '../format.tsx'
import { useLiveState, useNow } from '../state.tsx'

/** How long an announcement lives: older than this, a machine is shown as away. */
const AWAY_MS = 45_000

type Member = AgentState['members'][number]

export function Nodes() {
  const agent = useLiveState().state?.agent ?? null
  const now = useNow(1_000)
  const [chosen, setChosen] = useState<string | null>(null)
  if (agent === null) {
    return (
      <div className="grid gap-4 p-4 md:grid-cols-[320px_1fr]">
        <Skeleton className="aspect-square" />
        <Skeleton className="h-80" />
      </div>
    )
  }
  const selected =
    agent.members.find((member) => member.nodeId === chosen) ?? agent.members.find((member) => member.self) ?? agent.members[0]
  return (
    <div className="flex h-full flex-col gap-4 overflow-y-auto p-3 md:p-4">
      <header className="flex flex-wrap items-baseline gap-x-4">
        <h1 className="text-xl font-semibold">Nodes</h1>
        <p className="text-base text-ink-soft">{summary(agent, now)}</p>
      </header>
      <div className="grid items-start gap-6 lg:grid-cols-[minmax(300px,400px)_minmax(0,1fr)]">
        <div className="flex flex-col gap-2">
          <Ring
            className="mx-auto w-full max-w-[400px]"
            nodes={agent.members.map((member) => ({
              id: member.nodeId,
              name: member.name,
              leader: member.role === 'leader',
              away: isAway(member, now),
              detail: contact(member, now),
            }))}
            {...(selected === undefined ? {} : { selectedId: selected.nodeId })}
            onSelect={setChosen}
          />
          <ul className="flex flex-col">
            {agent.members.map((member) => (
              <li key={member.nodeId}>
                <MemberRow
                  member={member}
                  now={now}
                  selected={member.nodeId === selected?.nodeId}
                  onSelect={() => setChosen(member.nodeId)}
                />
              </li>
            ))}
          </ul>
        </div>
        {selected === undefined ? null : <Machine agent={agent} member={selected} now={now} />}
      </div>
    </div>
  )
}

const isAway = (member: Member, now: number): boolean => member.lastContactMs !== null && now - member.lastContactMs > AWAY_MS
const contact = (member: Member, now: number): string => (member.lastContactMs === null ? 'this machine' : age(member.lastContactMs, now))

function summary(agent: AgentState, now: number): string {
  const away = agent.members.filter((member) => isAway(member, now)).length
  const leader = agent.members.find((member) => member.role === 'leader')
  const parts = [count(agent.members.length, 'machine', 'machines')]
  if (leader) parts.push(`led by ${leader.name}`)
  if (away > 0) parts.push(`${away} away`)
  return parts.join(' · ')
}

export function RoleBadge({ role }: { role: Member['role'] }) {
  if (role === 'leader') {
    return (
      <Badge tone="accent" icon={<Crown className="size-3" aria-hidden />}>
        Leader
      </Badge>
    )
  }
  return <Badge tone="outline">{role === 'proxy' ? 'Camera only' : 'Worker'}</Badge>
}

function MemberRow({ member, now, selected, onSelect }: { member: Member; now: number; selected: boolean; onSelect: () => void }) {
  const away = isAway(member, now)
  return (
    <button
      type="button"
      aria-pressed={selected}
      onClick={onSelect}
      className={cx('flex min-h-11 w-full items-center gap-3 rounded-md px-3 text-left', selected ? 'bg-hover' : 'hover:bg-surface')}
    >
      <span className={cx('size-2.5 shrink-0 rounded-full border', away ? 'border-ink-faint' : 'border-healthy bg-healthy')} aria-hidden />
      <span className="min-w-0 flex-1">
        <span className="block truncate text-base font-medium text-ink">{member.name}</span>
        <span className="block truncate text-sm text-ink-faint">{member.osName}</span>
      </span>
      <span className="text-sm whitespace-nowrap text-ink-faint">{away ? `away, ${contact(member, now)}` : contact(member, now)}</span>
    </button>
  )
}

function Machine({ agent, member, now }: { agent: AgentState; member: Member; now: number }) {
  return (
    <section className="flex min-w-0 flex-col gap-4">
      <header className="flex flex-col gap-1">
        <div className="flex flex-wrap items-center gap-2">
          <h2 className="text-2xl font-semibold [overflow-wrap:anywhere]">{member.name}</h2>
          <RoleBadge role={member.role} />
          {member.self ? <Badge tone="outline">This machine</Badge> : null}
        </div>
        <p className="text-base text-ink-soft">
          {member.self
            ? machineFacts(agent)
            : `${member.osName} · ${isAway(member, now) ? `last heard from ${contact(member, now)}` : `heard from ${contact(member, now)}`}`}
        </p>
        {agent.plan.rejected !== null && member.self ? (
          <p className="text-base text-danger-text">A plan could not be applied and the last good one runs: {agent.plan.rejected.reason}</p>
        ) : null}
      </header>
      {member.self ? <OwnServices agent={agent} /> : <OtherServices member={member} />}
    </section>
  )
}

function machineFacts({ facts, node }: AgentState): string {
  const parts = [
    facts.model ?? facts.osName,
    ...(facts.model === null ? [] : [facts.osName]),
    count(facts.cpuCores, 'core', 'cores'),
    `${Math.max(1, Math.round(facts.ramBytes / 2 ** 30))} GB`,
  ]
  if (facts.battery !== null) parts.push(`battery ${Math.round(facts.battery.percent)} %`)
  parts.push(`ThatDAM ${node.agentVersion}`)
  return parts.join(' · ')
}

type Service = AgentState['plan']['services'][number]
const STATE_WORDS: Record<Service['state'], { word: string; tone: Tone }> = {
  starting: { word: 'Starting', tone: 'neutral' },
  running: { word: 'Running', tone: 'healthy' },
  waiting: { word: 'Waiting', tone: 'outline' },
  'backing-off': { word: 'Starts again', tone: 'outline' },
  failed: { word: 'Failed', tone: 'danger' },
  stopped: { word: 'Stopped', tone: 'neutral' },
  'not-in-this-version': { word: 'In a later version', tone: 'neutral' },
}

/** A line each on a wide screen; on a phone the reason goes below, so that nothing is cut off. */
const SERVICE_ROW =
  'grid grid-cols-[minmax(0,1fr)_auto] items-start gap-x-4 gap-y-0.5 border-b border-line py-2.5 text-base last:border-0 md:grid-cols-[184px_minmax(0,1fr)_auto]'

function OwnServices({ agent }: { agent: AgentState }) {
  return (
    <ul aria-label="What runs here and why">
      {agent.plan.services.map((service) => (
        <li key={service.name} className={SERVICE_ROW}>
          <span className="text-ink">
            {service.name}
            {service.mode === 'full' ? null : <span className="ml-1.5 text-ink-faint">{service.mode}</span>}
          </span>
          <span className="text-ink-soft max-md:order-3 max-md:col-span-2">
            {service.why}
            {service.reason === '' ? null : (
              <span className={cx('block', service.state === 'failed' ? 'text-danger-text' : 'text-ink')}>{service.reason}</span>
            )}
            {service.restarts > 0 ? (
              <span className="block text-sm text-ink-faint">Started again {count(service.restarts, 'time', 'times')}</span>
            ) : null}
          </span>
          <Badge tone={STATE_WORDS[service.state].tone}>{STATE_WORDS[service.state].word}</Badge>
        </li>
      ))}
    </ul>
  )
}

function OtherServices({ member }: { member: Member }) {
  return (
    <ul aria-label={`What runs on ${member.name} and why`}>
      {member.services.map((service) => (
        <li key={service.name} className={SERVICE_ROW}>
          <span className="text-ink">{service.name}</span>
          <span className="text-ink-soft max-md:col-span-2 md:col-span-2">{service.why}</span>
        </li>
      ))}
    </ul>
  )
}
