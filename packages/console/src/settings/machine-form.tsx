'use client'
import { useMutation } from '@tanstack/react-query'
import { Button } from '@thatdam/ui/button'
import { Field } from '@thatdam/ui/field'
import { Input } from '@thatdam/ui/input'
import { useState } from 'react'
import { sentenceOf, useTRPC, type AgentState } from '../client.tsx'

const splitLabels = (text: string): string[] => [
  ...new Set(
    text
      .split(',')
      .map((label) => label.trim())
      .filter((label) => label !== ''),
  ),
]

/** How a machine of the ring is called. */
export function MachineForm({ nodeId, settings }: { nodeId: string; settings: AgentState['settings'] }) {
  const trpc = useTRPC()
  // Null: as saved; so that a change made elsewhere shows up unless one is typing here.
  const [name, setName] = useState<string | null>(null)
  const [labels, setLabels] = useState<string | null>(null)
  const save = useMutation(
    trpc.node.settings.patch.mutationOptions({
      onSuccess: () => {
        setName(null)
        setLabels(null)
      },
    }),
  )
  const changed =
    (name !== null && name.trim() !== settings.name) || (labels !== null && splitLabels(labels).join() !== settings.labels.join())
  return (
    <form
      className="flex flex-col gap-4"
      onSubmit={(event) => {
        event.preventDefault()
        save.mutate({ nodeId, ...(name === null ? {} : { name }), ...(labels === null ? {} : { labels: splitLabels(labels) }) })
      }}
    >
      <Field label="Name">
        <Input value={name ?? settings.name} maxLength={64} onChange={(event) => setName(event.target.value)} />
      </Field>
      <Field label="Labels" hint="Separated by commas." error={save.error === null ? null : sentenceOf(save.error)}>
        <Input
          value={labels ?? settings.labels.join(', ')}
          placeholder="studio, always on"
          onChange={(event) => setLabels(event.target.value)}
        />
      </Field>
      <div>
        <Button type="submit" variant="primary" busy={save.isPending} disabled={!changed || name?.trim() === ''}>
          Save
        </Button>
      </div>
    </form>
  )
}
