'use client'
import { useMutation } from '@tanstack/react-query'
import { Button } from '@thatdam/ui/button'
import { Dialog } from '@thatdam/ui/dialog'
import { Field } from '@thatdam/ui/field'
import { Input } from '@thatdam/ui/input'
import { useToast } from '@thatdam/ui/toast'
import { useState } from 'react'
import { sentenceOf, useTRPC } from '../client.tsx'

/** Somebody has the printed key of this ring, or of another one of theirs, at hand. */
export function UseRecoveryKey({ made }: { made: boolean }) {
  const [open, setOpen] = useState(false)
  return (
    <>
      <Button onClick={() => setOpen(true)}>Use a printed key</Button>
      {open ? <TypedKey made={made} onClose={() => setOpen(false)} /> : null}
    </>
  )
}

function TypedKey({ made, onClose }: { made: boolean; onClose: () => void }) {
  const trpc = useTRPC()
  const toast = useToast()
  const [words, setWords] = useState('')
  const claim = useMutation(
    trpc.owner.claimByRecoveryKey.mutationOptions({
      gcTime: 0,
      onSuccess: ({ outcome }) => {
        toast({
          text:
            outcome === 'named'
              ? 'This ring belongs to whoever holds that key. Another ring with the same key becomes one with it when it is near.'
              : 'It is this ring’s key, and this machine can say so to other rings.',
        })
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
      title="Use a printed key"
      description={
        made
          ? 'The key of this ring, typed from its sheet. It lets this machine say to other rings whose ring this is.'
          : 'The key of another ring of yours, typed from its sheet. This ring then has the same owner, and the two become one when they are near each other.'
      }
      width="sm"
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button variant="primary" type="submit" form="printed-key" busy={claim.isPending} disabled={words.trim() === ''}>
            Use it
          </Button>
        </>
      }
    >
      <form
        id="printed-key"
        onSubmit={(event) => {
          event.preventDefault()
          claim.mutate({ words })
        }}
      >
        <Field
          label="Printed key"
          hint="14 groups of four. Spaces and small letters do not matter."
          error={claim.error === null ? null : sentenceOf(claim.error)}
        >
          <Input
            value={words}
            maxLength={512}
            autoComplete="off"
            spellCheck={false}
            className="font-mono"
            onChange={(event) => setWords(event.target.value)}
          />
        </Field>
      </form>
    </Dialog>
  )
}
