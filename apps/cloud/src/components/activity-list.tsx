'use client'
import { Banner } from '@thatdam/ui/banner'
import { Button } from '@thatdam/ui/button'
import { ShieldAlert } from 'lucide-react'
import { useState, useSyncExternalStore } from 'react'
import type { ActivityEntry, ActivityPage } from '../domain/activity.ts'
import { call } from '../web/call.ts'

const DAY = { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' } as const
const TIME = { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' } as const

const never = () => () => undefined
/** Of this browser; the server draws UTC, and what it drew is drawn anew as soon as the page lives. */
function useTimeZone(): string {
  return useSyncExternalStore(
    never,
    () => new Intl.DateTimeFormat().resolvedOptions().timeZone,
    () => 'UTC',
  )
}

export function ActivityList({ first }: { first: ActivityPage }) {
  const timeZone = useTimeZone()
  const [entries, setEntries] = useState(first.entries)
  const [older, setOlder] = useState(first.older)
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<string | null>(null)
  const more = async (): Promise<void> => {
    setBusy(true)
    const answer = await call<ActivityPage>('GET', `/api/activity?before=${older}`)
    setBusy(false)
    setProblem(answer.ok ? null : answer.message)
    if (answer.value === null) return
    const { entries: next, older: rest } = answer.value
    setEntries((shown) => [...shown, ...next])
    setOlder(rest)
  }
  return (
    <div className="flex flex-col gap-6">
      {byDay(entries, timeZone).map(([day, ofDay]) => (
        <section key={day} className="flex flex-col gap-1">
          <h2 className="text-base font-medium text-ink-soft">{day}</h2>
          <ul className="flex flex-col border-t border-line">
            {ofDay.map((entry) => (
              <Entry key={entry.id} entry={entry} timeZone={timeZone} />
            ))}
          </ul>
        </section>
      ))}
      {problem === null ? null : <Banner tone="error">{problem}</Banner>}
      {older === null ? null : (
        <div>
          <Button busy={busy} onClick={() => void more()}>
            Show older
          </Button>
        </div>
      )}
    </div>
  )
}

function Entry({ entry, timeZone }: { entry: ActivityEntry; timeZone: string }) {
  const by = [entry.who === null ? '' : `by ${entry.who}`, entry.address === null ? '' : `from ${entry.address}`].filter(Boolean).join(' ')
  return (
    <li
      data-testid="activity"
      className="grid grid-cols-[64px_minmax(0,1fr)] gap-x-3 border-b border-line py-2 text-base sm:grid-cols-[64px_minmax(0,1fr)_minmax(0,320px)]"
    >
      <time dateTime={new Date(entry.atMs).toISOString()} className="text-ink-faint">
        {new Intl.DateTimeFormat('en', { ...TIME, timeZone }).format(entry.atMs)}
      </time>
      <span className="inline-flex min-w-0 items-start gap-1.5 [overflow-wrap:anywhere]">
        {entry.alarming ? <ShieldAlert className="mt-0.5 size-4 shrink-0 text-danger-text" aria-hidden /> : null}
        {entry.what}
      </span>
      <span className="text-ink-soft [overflow-wrap:anywhere] max-sm:col-start-2">{by}</span>
    </li>
  )
}

function byDay(entries: readonly ActivityEntry[], timeZone: string): [string, ActivityEntry[]][] {
  const day = new Intl.DateTimeFormat('en', { ...DAY, timeZone })
  return [...Map.groupBy(entries, (entry) => day.format(entry.atMs))]
}
