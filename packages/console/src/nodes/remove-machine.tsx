'use client'
import { useMutation } from '@tanstack/react-query'
import { Button } from '@thatdam/ui/button'
import { Dialog } from '@thatdam/ui/dialog'
import { Field } from '@thatdam/ui/field'
import { Input } from '@thatdam/ui/input'
import { useToast } from '@thatdam/ui/toast'
import { useState } from 'react'
import { sentenceOf, useTRPC } from '../client.tsx'
import { count } from '../format.tsx'
import type { Member } from './member-view.tsx'

/** What it means to put a machine out of the ring, and the name typed so that it is no slip. */
export function RemoveMachine({ member, onClose }: { member: Member; onClose: () => void }) {
  const trpc = useTRPC()
  const toast = useToast()
  const [typed, setTyped] = useState('')
  const remove = useMutation(
    trpc.node.remove.mutationOptions({
      onSuccess: () => {
        toast({ text: `${member.name} is not in the ring any more.` })
        onClose()
      },
    }),
  )
  return (
    <Dialog
      open
      onOpenChange={(open) => {
        if (!open) onClose()
      }}
      title={`Remove ${member.name} from the ring?`}
      width="md"
    >
      <form
        className="flex flex-col gap-4"
        onSubmit={(event) => {
          event.preventDefault()
          if (typed === member.name) remove.mutate({ nodeId: member.nodeId })
        }}
      >
        <ul className="flex list-disc flex-col gap-1.5 pl-5 text-lg text-ink-soft">
          {consequences(member).map((sentence) => (
            <li key={sentence}>{sentence}</li>
          ))}
        </ul>
        <Field label={`Type ${member.name} to go on`} error={remove.error === null ? null : sentenceOf(remove.error)}>
          <Input value={typed} autoComplete="off" spellCheck={false} maxLength={64} onChange={(event) => setTyped(event.target.value)} />
        </Field>
        <div className="flex justify-end gap-2 pb-2">
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" variant="danger" busy={remove.isPending} disabled={typed !== member.name}>
            Remove
          </Button>
        </div>
      </form>
    </Dialog>
  )
}

function consequences(member: Member): string[] {
  const files = member.reported?.assets ?? 0
  return [
    member.awake
      ? 'It is out at once, and what it records or makes for others stops.'
      : 'It is away: the others do not talk to it any more from now on, and it hears of it when it is back.',
    files > 0
      ? `Nothing on its disk is deleted. ${count(files, 'file', 'files')} of the library lie there, and those that lie nowhere else cannot be opened any more.`
      : 'Nothing on its disk is deleted. What lies there alone cannot be opened any more.',
    ...(member.role === 'leader' ? ['It leads now. The next machine takes over within seconds, and this page moves there.'] : []),
    ...(member.self ? ['You are on its own page: it goes on as a machine by itself.'] : []),
    'It does not come back by itself. To take it in again, let it in as a new machine.',
  ]
}
