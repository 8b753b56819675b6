'use client'
import { useMutation } from '@tanstack/react-query'
import { Button } from '@thatdam/ui/button'
import { Field } from '@thatdam/ui/field'
import { Input } from '@thatdam/ui/input'
import { useToast } from '@thatdam/ui/toast'
import { useState } from 'react'
import { sentenceOf, useTRPC, type AgentState } from '../client.tsx'
import { savedWords } from '../query.tsx'

const splitLabels = (text: string): string[] => [
  ...new Set(
    text
      .split(',')
      .map((label) => label.trim())
      .filter((label) => label !== ''),
  ),
]

export function MachineForm({ agent }: { agent: AgentState }) {
  const trpc = useTRPC()
  const toast = useToast()
  // Null: as saved; so that a change made elsewhere shows up unless one is typing here.
  const [name, setName] = useState<string | null>(null)
  const [labels, setLabels] = useState<string | null>(null)
  const save = useMutation(
    trpc.node.settings.patch.mutationOptions({
      onSuccess: ({ durability }) => {
        setName(null)
        setLabels(null)
        const detail = savedWords(durability, agent.members.length)
        toast({ text: 'Saved.', ...(detail === undefined ? {} : { detail }) })
      },
    }),
  )
  const changed =
    (name !== null && name.trim() !== agent.settings.name) ||
    (labels !== null && splitLabels(labels).join() !== agent.settings.labels.join())
  return (
    <form
      className="flex flex-col gap-4"
      onSubmit={(event) => {
        event.preventDefault()
        save.mutate({ ...(name === null ? {} : { name }), ...(labels === null ? {} : { labels: splitLabels(labels) }) })
      }}
    >
      <Field label="Name">
        <Input value={name ?? agent.settings.name} maxLength={64} onChange={(event) => setName(event.target.value)} />
      </Field>
      <Field label="Labels" hint="Separated by commas." error={save.error === null ? null : sentenceOf(save.error)}>
        <Input
          value={labels ?? agent.settings.labels.join(', ')}
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
