'use client'
import { useMutation } from '@tanstack/react-query'
import { Button } from '@thatdam/ui/button'
import { Dialog } from '@thatdam/ui/dialog'
import { Progress } from '@thatdam/ui/progress'
import { CircleCheck, CircleX } from 'lucide-react'
import type { ReactNode } from 'react'
import { useTRPC, type AgentState } from '../client.tsx'
import { clock, count } from '../format.tsx'
import { useShowError } from '../query.tsx'
import { useNow } from '../state.tsx'

export type Adoption = AgentState['adoptions'][number]

export const isOpenAdoption = ({ state }: Adoption): boolean => state === 'waiting' || state === 'compare' || state === 'confirmed'

export interface AdoptionDialogProps {
  adoption: Adoption
  /** Name of the machine whose console this is. */
  here: string
  /** Lets the same machine in anew; left out where only the other side can. */
  onAgain?: (publicKey: string) => void
  /** Closing ends nothing: the adoption goes on until somebody says no, or its time is over. */
  onClose: () => void
}

/** Two people, or one that walks over, see the same six digits on both machines: then nobody stands between them. */
export function AdoptionDialog({ adoption, here, onAgain, onClose }: AdoptionDialogProps) {
  const trpc = useTRPC()
  const showError = useShowError()
  const answer = useMutation(trpc.ring.answerAdoption.mutationOptions({ onError: showError }))
  const { nodeId, direction, state, id } = adoption
  const isBusyWith = (what: 'confirm' | 'cancel'): boolean => answer.isPending && answer.variables.answer === what
  const no = (
    <Button busy={isBusyWith('cancel')} onClick={() => answer.mutate({ id, answer: 'cancel' })}>
      {state === 'compare' ? 'They differ' : 'Cancel'}
    </Button>
  )
  const footer: Record<Adoption['state'], ReactNode> = {
    waiting: no,
    compare: (
      <>
        {no}
        <Button variant="primary" busy={isBusyWith('confirm')} onClick={() => answer.mutate({ id, answer: 'confirm' })}>
          They are the same
        </Button>
      </>
    ),
    confirmed: no,
    done: (
      <Button variant="primary" onClick={onClose}>
        Done
      </Button>
    ),
    refused: <Ended adoption={adoption} onClose={onClose} {...(onAgain === undefined ? {} : { onAgain })} />,
    expired: <Ended adoption={adoption} onClose={onClose} {...(onAgain === undefined ? {} : { onAgain })} />,
  }
  return (
    <Dialog
      open
      onOpenChange={(open) => {
        if (!open) onClose()
      }}
      title={direction === 'in' ? `Let ${nodeId} in` : `Join the ring of ${nodeId}`}
      width="sm"
      footer={footer[state]}
    >
      <div className="flex flex-col gap-4" aria-live="polite">
        <Body adoption={adoption} here={here} />
      </div>
    </Dialog>
  )
}

function Ended({ adoption, onAgain, onClose }: Pick<AdoptionDialogProps, 'adoption' | 'onAgain' | 'onClose'>) {
  if (onAgain === undefined || adoption.direction === 'out' || adoption.attemptsLeft === 0) return <Button onClick={onClose}>Close</Button>
  return (
    <>
      <Button onClick={onClose}>Close</Button>
      <Button variant="primary" onClick={() => onAgain(adoption.publicKey)}>
        Try again
      </Button>
    </>
  )
}

function Body({ adoption, here }: Pick<AdoptionDialogProps, 'adoption' | 'here'>) {
  const { nodeId, direction, state, code, reason } = adoption
  if (state === 'done') {
    return (
      <p className="flex items-start gap-2 text-lg">
        <CircleCheck className="mt-0.5 size-5 shrink-0 text-healthy" aria-hidden />
        {direction === 'in' ? `${nodeId} is in the ring.` : `${here} is in the ring of ${nodeId}. Its console is the one of the ring now.`}
      </p>
    )
  }
  if (state === 'refused' || state === 'expired') {
    return (
      <p className="flex items-start gap-2 text-lg">
        <CircleX className="mt-0.5 size-5 shrink-0 text-danger-text" aria-hidden />
        <span>{reason === '' ? `${nodeId} was not let in.` : reason}</span>
      </p>
    )
  }
  if (code === null) {
    return (
      <>
        <p className="text-lg">Asking {nodeId} for its code.</p>
        <Progress label={`Asking ${nodeId}`} value={null} />
        <TimeLeft adoption={adoption} />
      </>
    )
  }
  return (
    <>
      <p className="text-lg text-ink-soft">
        {state === 'confirmed'
          ? `You said yes here. Now somebody says yes on ${nodeId}.`
          : direction === 'in'
            ? `${nodeId} shows six digits: on its own page, or in a terminal there with “thatdam approve”. Are they these?`
            : `The console of that ring shows six digits, where somebody lets this machine in. Are they these?`}
      </p>
      <p className="py-2 text-center font-mono text-[44px] leading-[52px] font-semibold tracking-widest text-ink" data-testid="code">
        <span className="sr-only">{Array.from(code).join(' ')}</span>
        <span aria-hidden>
          {code.slice(0, 3)}&#8201;{code.slice(3)}
        </span>
      </p>
      {state === 'confirmed' ? <Progress label={`Waiting for ${nodeId}`} value={null} /> : null}
      <TimeLeft adoption={adoption} />
    </>
  )
}

function TimeLeft({ adoption: { expiresAtMs, attemptsLeft, state } }: { adoption: Adoption }) {
  const now = useNow(1_000)
  return (
    <p className="text-base text-ink-faint">
      {clock(expiresAtMs - now)} left
      {state === 'compare'
        ? ` · ${attemptsLeft === 0 ? 'the last try for now' : `${count(attemptsLeft, 'more try', 'more tries')} if it fails`}`
        : ''}
    </p>
  )
}
