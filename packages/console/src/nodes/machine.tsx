'use client'
import { Banner } from '@thatdam/ui/banner'
import { Button } from '@thatdam/ui/button'
import { Progress } from '@thatdam/ui/progress'
import { Tabs } from '@thatdam/ui/tabs'
import { ExternalLink } from 'lucide-react'
import { useState } from 'react'
import type { AgentState } from '../client.tsx'
import { fieldWords } from '../conflicts/conflict-words.tsx'
import { useNodeConflicts } from '../conflicts/use-conflicts.tsx'
import { bytes, count } from '../format.tsx'
import { MachineSettings } from './machine-settings.tsx'
import { RoleBadges } from './member-list.tsx'
import { contact, observed, type Member } from './member-view.tsx'
import { Services } from './services.tsx'

/** One machine of the ring: what it is, what it does and why, and the owner's wishes for it. */
export function Machine({ agent, member, now }: { agent: AgentState; member: Member; now: number }) {
  const [tab, setTab] = useState('runs')
  const { conflicts } = useNodeConflicts(member.nodeId)
  const problems = member.self ? agent.settingsProblems : member.awake ? (member.reported?.problems ?? []) : []
  const rejected = observed(agent, member)?.rejected ?? null
  return (
    <section aria-label={member.name} data-machine className="flex min-w-0 flex-col gap-4">
      <header className="flex flex-col gap-1">
        <div className="flex flex-wrap items-center gap-2">
          <h2 className="text-2xl font-semibold [overflow-wrap:anywhere]">{member.name}</h2>
          <RoleBadges member={member} />
          <span className="grow" />
          {member.consoleUrl === null || member.self ? null : (
            <Button asChild size="sm" variant="quiet">
              <a href={member.consoleUrl} target="_blank" rel="noreferrer">
                <span className="sr-only">Open </span>
                {new URL(member.consoleUrl).host} <ExternalLink className="size-3.5" aria-hidden />
              </a>
            </Button>
          )}
        </div>
        <p className="text-base text-ink-soft">{machineFacts(agent, member, now)}</p>
        <Room agent={agent} member={member} />
      </header>
      {rejected === null ? null : <Banner tone="error">A plan could not be applied and the last good one runs: {rejected.reason}</Banner>}
      {problems.map((problem) => (
        <Banner key={problem} tone="warning">
          {problem}
        </Banner>
      ))}
      {conflicts.length > 0 && tab !== 'settings' ? (
        <Banner
          tone="warning"
          action={
            <Button size="sm" onClick={() => setTab('settings')}>
              Choose
            </Button>
          }
        >
          {conflicts.map(({ field }) => fieldWords(field)).join(', ')}: changed on machines that were apart. Choose what counts.
        </Banner>
      ) : null}
      <Tabs
        label={`About ${member.name}`}
        value={tab}
        onValueChange={setTab}
        tabs={[
          { value: 'runs', label: 'What runs', content: <Services agent={agent} member={member} now={now} /> },
          { value: 'settings', label: 'Settings', content: <MachineSettings agent={agent} member={member} /> },
        ]}
      />
    </section>
  )
}

function machineFacts(agent: AgentState, member: Member, now: number): string {
  const { facts, node } = agent
  if (!member.self) {
    const heard = member.lastContactMs === 0 ? 'not heard since this machine started' : `heard ${contact(member, now)}`
    const { reported } = member
    return [
      member.osName,
      member.awake ? heard : `last ${heard}`,
      ...(reported === null ? [] : [count(reported.assets, 'file', 'files'), `ThatDAM ${reported.agentVersion}`]),
    ]
      .filter((part) => part !== '')
      .join(' · ')
  }
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

function Room({ agent, member }: { agent: AgentState; member: Member }) {
  const store = member.self ? agent.store : (member.reported?.store ?? null)
  if (store === null || store.diskTotalBytes === 0) return null
  return (
    <div className="flex max-w-md flex-col gap-1 pt-1">
      <p className="text-base text-ink-soft">
        {bytes(store.diskFreeBytes)} free of {bytes(store.diskTotalBytes)}
        {store.diskFreeBytes <= store.reserveBytes ? ': too little to record' : ''}
      </p>
      <Progress label={`Disk of ${member.name}`} value={1 - store.diskFreeBytes / store.diskTotalBytes} className="[&>div]:bg-ink-faint" />
    </div>
  )
}
