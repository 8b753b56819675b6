'use client'
import { Ring } from '@thatdam/ui/ring'
import { useState } from 'react'
import { plural } from '../domain/plural.ts'
import type { RingView, SortedRing } from '../domain/ring-view.ts'
import { call } from '../web/call.ts'
import { isAway, ringSentence } from './ring-words.ts'

/** Above this many, names around the ring would run into each other. */
const NAMED_MAX = 12

interface RingSummaryProps {
  ring: RingView
  sorted: SortedRing
  onChanged: (ring: RingView) => void
}

/** The ring as a ring, who leads it, and who is missing here. */
export function RingSummary({ ring, sorted, onChanged }: RingSummaryProps) {
  const drawn = [
    ...sorted.inRing.map((node) => ({
      id: node.id,
      name: node.settings.name,
      leader: node === sorted.leader,
      away: isAway(node),
    })),
    ...sorted.elsewhere.map((nodeId) => ({ id: nodeId, name: nodeId, leader: false, away: true })),
  ]
  const isNamed = drawn.length <= NAMED_MAX
  return (
    <section aria-labelledby="ring" className="flex flex-wrap items-center gap-x-8 gap-y-4" data-testid="ring">
      {drawn.length < 2 ? null : (
        <Ring nodes={drawn} className="w-64 shrink-0 max-sm:mx-auto" {...(isNamed ? {} : { named: new Set<string>() })} />
      )}
      <div className="flex min-w-0 grow basis-72 flex-col gap-3">
        <h2 id="ring" className="text-xl font-semibold">
          The ring
        </h2>
        <p className="text-lg">{ringSentence(ring, sorted)}</p>
        {sorted.waiting.length === 0 ? null : (
          <p className="text-base text-ink-soft">
            {plural(sorted.waiting.length, 'machine waits', 'machines wait')} to be let in. The ring does that by itself once both run.
          </p>
        )}
        {sorted.elsewhere.length === 0 ? null : (
          <p className="text-base text-ink-soft [overflow-wrap:anywhere]">
            In the ring, but not registered here: {sorted.elsewhere.slice(0, NAMED_MAX).join(', ')}
            {sorted.elsewhere.length > NAMED_MAX ? ' and others' : ''}.
          </p>
        )}
        <RendezvousSwitch isOn={ring.rendezvous} onChanged={onChanged} />
      </div>
    </section>
  )
}

function RendezvousSwitch({ isOn, onChanged }: { isOn: boolean; onChanged: (ring: RingView) => void }) {
  const [problem, setProblem] = useState<string | null>(null)
  const [busy, setBusy] = useState(false)
  const change = async (rendezvous: boolean): Promise<void> => {
    setBusy(true)
    const answer = await call<RingView>('PATCH', '/api/ring', { rendezvous })
    setBusy(false)
    setProblem(answer.ok ? null : answer.message)
    if (answer.value !== null) onChanged(answer.value)
  }
  return (
    <label className="flex items-start gap-2.5 text-base">
      <input
        type="checkbox"
        className="mt-0.5 size-4 accent-[var(--c-accent)]"
        checked={isOn}
        disabled={busy}
        onChange={(event) => void change(event.target.checked)}
      />
      <span className="flex flex-col gap-0.5">
        <span>Machines may find one another through this server</span>
        <span className="text-ink-soft">
          For machines that share no network. Their addresses are kept here for at most ten minutes; no media passes.
        </span>
        {problem === null ? null : (
          <span role="alert" className="text-danger-text">
            {problem}
          </span>
        )}
      </span>
    </label>
  )
}
