'use client'
import { useMutation } from '@tanstack/react-query'
import { Button } from '@thatdam/ui/button'
import { useState } from 'react'
import { useTRPC, type AgentState } from '../client.tsx'
import { age } from '../format.tsx'
import { useShowError } from '../query.tsx'
import { AdoptionDialog, isOpenAdoption, type Adoption } from './adoption-dialog.tsx'
import { OtherRing } from './other-ring.tsx'

/** Machines that belong to nobody yet and could be let in, and rings of others. */
export function Near({ agent, now }: { agent: AgentState; now: number }) {
  const trpc = useTRPC()
  const showError = useShowError()
  const [shownId, setShownId] = useState<string | null>(null)
  const adopt = useMutation(trpc.ring.adopt.mutationOptions({ onError: showError, onSuccess: ({ id }) => setShownId(id) }))
  const { waiting, others } = agent.ring
  const shown = agent.adoptions.find((adoption) => adoption.id === shownId)
  if (waiting.length === 0 && others.length === 0 && shown === undefined) {
    return agent.members.length > 1 ? null : (
      <p className="px-3 text-base text-ink-soft">
        A ring of one. Machines in this network that have ThatDAM and belong to nobody show up here by themselves.
      </p>
    )
  }
  const openOf = (publicKey: string): Adoption | undefined =>
    agent.adoptions.find((one) => one.publicKey === publicKey && one.direction === 'in' && isOpenAdoption(one))
  return (
    <section aria-label="Near you" className="flex flex-col gap-2">
      <h2 className="text-lg font-semibold">Near you</h2>
      <ul className="flex flex-col gap-2">
        {waiting.map(({ nodeId, publicKey, address, heardAtMs }) => {
          const open = openOf(publicKey)
          return (
            <li key={publicKey} className="flex items-center gap-3 rounded-md border border-line bg-surface py-2 pr-2 pl-3">
              <span className="min-w-0 flex-1">
                <span className="block text-base [overflow-wrap:anywhere] text-ink">{nodeId} waits to be let in</span>
                <span className="block text-sm text-ink-faint">
                  {address} · heard {age(heardAtMs, now)}
                </span>
              </span>
              <Button
                variant="primary"
                busy={adopt.isPending && adopt.variables.publicKey === publicKey}
                onClick={() => (open === undefined ? adopt.mutate({ publicKey }) : setShownId(open.id))}
                aria-label={open === undefined ? `Let ${nodeId} in` : `Compare the code of ${nodeId}`}
              >
                {open === undefined ? 'Let in' : 'Compare code'}
              </Button>
            </li>
          )
        })}
      </ul>
      {others.map((other) => (
        <OtherRing key={other.fingerprint} other={other} agent={agent} />
      ))}
      {shown === undefined ? null : (
        <AdoptionDialog
          adoption={shown}
          here={agent.settings.name}
          onAgain={(publicKey) => adopt.mutate({ publicKey })}
          onClose={() => setShownId(null)}
        />
      )}
    </section>
  )
}
