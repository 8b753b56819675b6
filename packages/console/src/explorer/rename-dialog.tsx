'use client'
import { useMutation } from '@tanstack/react-query'
import { Button } from '@thatdam/ui/button'
import { Dialog } from '@thatdam/ui/dialog'
import { Field } from '@thatdam/ui/field'
import { Input } from '@thatdam/ui/input'
import { useState } from 'react'
import { sentenceOf, useTRPC, type Asset } from '../client.tsx'

export function RenameDialog({ asset, onClose }: { asset: Pick<Asset, 'id' | 'title'>; onClose: () => void }) {
  const trpc = useTRPC()
  const [title, setTitle] = useState(asset.title)
  const rename = useMutation(trpc.asset.rename.mutationOptions({ onSuccess: onClose }))
  return (
    <Dialog
      open
      onOpenChange={(open) => {
        if (!open) onClose()
      }}
      title="Rename"
      description="The name in the library. The file on disk keeps its own."
      width="sm"
    >
      <form
        className="flex flex-col gap-4"
        onSubmit={(event) => {
          event.preventDefault()
          rename.mutate({ id: asset.id, title })
        }}
      >
        <Field label="Name" error={rename.error === null ? null : sentenceOf(rename.error)}>
          <Input
            value={title}
            maxLength={1024}
            onChange={(event) => setTitle(event.target.value)}
            onFocus={(event) => {
              const dot = title.lastIndexOf('.')
              event.target.setSelectionRange(0, dot > 0 ? dot : title.length)
            }}
          />
        </Field>
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" variant="primary" busy={rename.isPending} disabled={title.trim() === ''}>
            Rename
          </Button>
        </div>
      </form>
    </Dialog>
  )
}
