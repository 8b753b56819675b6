'use client'
import { useMutation } from '@tanstack/react-query'
import { Button } from '@thatdam/ui/button'
import { Dialog } from '@thatdam/ui/dialog'
import { Field } from '@thatdam/ui/field'
import { Input } from '@thatdam/ui/input'
import { useState } from 'react'
import { sentenceOf, useTRPC } from '../client.tsx'
import { ConflictChoice } from '../conflicts/conflict-choice.tsx'
import { useCameraConflicts } from '../conflicts/use-conflicts.tsx'

export function RenameCamera({ cameraId, name, onClose }: { cameraId: string; name: string; onClose: () => void }) {
  const trpc = useTRPC()
  const [next, setNext] = useState(name)
  const conflicts = useCameraConflicts(cameraId)
  const rename = useMutation(trpc.camera.rename.mutationOptions({ onSuccess: onClose }))
  return (
    <Dialog
      open
      onOpenChange={(open) => {
        if (!open) onClose()
      }}
      title="Rename the camera"
      description="Its recordings are named after it from now on."
      width="sm"
    >
      <div className="flex flex-col gap-3 not-empty:pb-4">
        <ConflictChoice
          {...conflicts}
          onChoose={(field, opId) => {
            conflicts.onChoose(field, opId)
            onClose()
          }}
        />
      </div>
      <form
        className="flex flex-col gap-4"
        onSubmit={(event) => {
          event.preventDefault()
          rename.mutate({ cameraId, name: next })
        }}
      >
        <Field label="Name" error={rename.error === null ? null : sentenceOf(rename.error)}>
          <Input value={next} maxLength={64} onChange={(event) => setNext(event.target.value)} onFocus={(event) => event.target.select()} />
        </Field>
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" variant="primary" busy={rename.isPending} disabled={next.trim() === ''}>
            Rename
          </Button>
        </div>
      </form>
    </Dialog>
  )
}
