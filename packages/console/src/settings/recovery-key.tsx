'use client'
import { useMutation } from '@tanstack/react-query'
import { Banner } from '@thatdam/ui/banner'
import { Button } from '@thatdam/ui/button'
import { Checkbox } from '@thatdam/ui/checkbox'
import { Dialog } from '@thatdam/ui/dialog'
import { CircleCheck, Printer } from 'lucide-react'
import { useState } from 'react'
import { useTRPC } from '../client.tsx'
import { day } from '../format.tsx'
import { useShowError } from '../query.tsx'
import { UseRecoveryKey } from './use-recovery-key.tsx'

/** Made once, shown once to print; no machine keeps it. */
export function RecoveryKey({ made, ringName }: { made: boolean; ringName: string }) {
  const trpc = useTRPC()
  const showError = useShowError()
  // Not kept in the cache of answers: it is gone with the dialog.
  const [words, setWords] = useState<string | null>(null)
  const make = useMutation(
    trpc.owner.makeRecoveryKey.mutationOptions({ gcTime: 0, onError: showError, onSuccess: (answer) => setWords(answer.words) }),
  )
  return (
    <div className="flex flex-col items-start gap-3">
      {made ? (
        <p className="flex items-start gap-2 text-lg text-ink-soft">
          <CircleCheck className="mt-0.5 size-5 shrink-0 text-healthy" aria-hidden />
          Made. Keep the sheet away from the machines, as you would a spare key to the house.
        </p>
      ) : (
        <>
          <p className="text-lg text-ink-soft">There is none yet. Have a printer or pen and paper at hand: it is shown this once.</p>
          <Button variant="primary" busy={make.isPending} onClick={() => make.mutate()}>
            Make the recovery key
          </Button>
        </>
      )}
      <UseRecoveryKey made={made} />
      {words === null ? null : (
        <KeySheet
          words={words}
          ringName={ringName}
          onClose={() => {
            setWords(null)
            make.reset()
          }}
        />
      )}
    </div>
  )
}

function KeySheet({ words, ringName, onClose }: { words: string; ringName: string; onClose: () => void }) {
  const [madeOn] = useState(() => day(Date.now()))
  const [kept, setKept] = useState(false)
  const [warned, setWarned] = useState(false)
  const groups = words.split(/[\s-]+/)
  const close = (): void => (kept ? onClose() : setWarned(true))
  return (
    <Dialog
      open
      onOpenChange={(open) => {
        if (!open) close()
      }}
      title="Your recovery key"
      description="Print it, or write it down. No machine keeps it, and nobody can show it again."
      footer={
        <>
          <Button onClick={() => window.print()}>
            <Printer className="size-4" aria-hidden /> Print
          </Button>
          <Button variant="primary" disabled={!kept} onClick={onClose}>
            Done
          </Button>
        </>
      }
    >
      <div className="flex flex-col gap-4">
        <div data-print className="flex flex-col gap-3">
          <p className="hidden text-lg print:block">
            ThatDAM recovery key of the ring of {ringName}, {madeOn}. Whoever holds it owns the ring.
          </p>
          <ol
            className="grid grid-cols-4 gap-x-3 gap-y-1.5 rounded-md border border-line-strong bg-ground p-4 sm:grid-cols-7"
            data-testid="recovery-key"
          >
            {groups.map((group, index) => (
              // oxlint-disable-next-line react/no-array-index-key -- a group's place is what it is
              <li key={index} className="text-center font-mono text-lg select-all">
                {group}
              </li>
            ))}
          </ol>
        </div>
        {warned && !kept ? <Banner tone="warning">It is shown this once. Keep it first, and say so below.</Banner> : null}
        <Checkbox label="I have printed it or written it down" checked={kept} onChange={(event) => setKept(event.target.checked)} />
      </div>
    </Dialog>
  )
}
