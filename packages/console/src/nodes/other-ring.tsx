'use client'
import { useMutation } from '@tanstack/react-query'
import { Button } from '@thatdam/ui/button'
import { Dialog } from '@thatdam/ui/dialog'
import { Radar } from 'lucide-react'
import { useState } from 'react'
import { useTRPC, type AgentState } from '../client.tsx'
import { useShowError } from '../query.tsx'
import { wordsOfRing } from './other-ring-words.tsx'

type Other = AgentState['ring']['others'][number]

/** A ring near that has an owner: told once, in a line; with a button where the owner has to agree. */
export function OtherRing({ other, agent }: { other: Other; agent: AgentState }) {
  const [asks, setAsks] = useState(false)
  return (
    <div className="flex items-start gap-2 text-base text-ink-soft">
      <Radar className="mt-0.5 size-4 shrink-0 text-ink-faint" aria-hidden />
      <span className="min-w-0 flex-1 [overflow-wrap:anywhere]">
        {wordsOfRing(other, agent)}
        {other.reason === '' ? null : <span className="block text-sm text-ink-faint">{other.reason}</span>}
      </span>
      {other.fate === 'asks' && agent.ring.claimed ? (
        <Button onClick={() => setAsks(true)} aria-label={`Go over to the ring of ${other.nodeId}`}>
          Make it one
        </Button>
      ) : null}
      {asks ? <Consent other={other} onClose={() => setAsks(false)} /> : null}
    </div>
  )
}

function Consent({ other, onClose }: { other: Other; onClose: () => void }) {
  const trpc = useTRPC()
  const showError = useShowError()
  const goOver = useMutation(trpc.ring.goOver.mutationOptions({ onError: showError, onSuccess: onClose }))
  return (
    <Dialog
      open
      onOpenChange={(open) => {
        if (!open) onClose()
      }}
      title={`Go over to the ring of ${other.nodeId}`}
      width="sm"
      footer={
        <>
          <Button onClick={onClose}>Not now</Button>
          <Button variant="primary" busy={goOver.isPending} onClick={() => goOver.mutate({ fingerprint: other.fingerprint })}>
            Make it one ring
          </Button>
        </>
      }
    >
      <p className="text-base text-ink-soft">
        This ring goes over to that one, with everything in the library; machines that are away come later by themselves, and those that the
        cloud does not know have to be let in there anew. It cannot be undone. Say yes only if that ring is yours: the cloud says so, and
        nothing here can check it.
      </p>
    </Dialog>
  )
}
