'use client'
import { useMutation } from '@tanstack/react-query'
import { Banner } from '@thatdam/ui/banner'
import { Button } from '@thatdam/ui/button'
import { Checkbox } from '@thatdam/ui/checkbox'
import { Field } from '@thatdam/ui/field'
import { Input } from '@thatdam/ui/input'
import { useState } from 'react'
import { sentenceOf, useTRPC, type AgentState } from '../client.tsx'

type Settings = AgentState['settings']
type Duties = Pick<Settings, 'excludeServices' | 'excludeLeader' | 'quotas' | 'quietHours'>

/** Parts that an owner may keep away from a machine, in their words. */
const PARTS: readonly { name: string; words: string }[] = [
  { name: 'indexer', words: 'Read folders' },
  { name: 'deriver', words: 'Make previews' },
  { name: 'blob-store', words: 'Keep recordings and copies' },
  { name: 'camera-proxy', words: 'Show its cameras' },
  { name: 'capture-daemon', words: 'Record its cameras' },
  { name: 'transcoder', words: 'Convert footage' },
  { name: 'stream-processor', words: 'Work on live pictures' },
  { name: 'intel', words: 'Recognise what is in pictures' },
]
const LIMITS = [
  { key: 'maxDerives', label: 'Previews at once', most: 64 },
  { key: 'maxTranscodes', label: 'Conversions at once', most: 64 },
  { key: 'maxIntel', label: 'Recognitions at once', most: 64 },
  { key: 'cpuReservePercent', label: 'Processor left free, %', most: 90 },
] as const

const LINE = 'flex flex-col gap-2.5'

/** What a machine shall not do, and how much it may. A field left empty is the ring's to decide. */
export function DutiesForm({ nodeId, settings }: { nodeId: string; settings: Settings }) {
  const trpc = useTRPC()
  // What was changed here and not saved yet; the rest follows what others change.
  const [draft, setDraft] = useState<Partial<Duties>>({})
  const save = useMutation(trpc.node.settings.patch.mutationOptions({ onSuccess: () => setDraft({}) }))
  const now: Duties = { ...settings, ...draft }
  const change = (part: Partial<Duties>): void => setDraft((before) => ({ ...before, ...part }))
  const changed = Object.entries(draft).some(([key, value]) => JSON.stringify(value) !== JSON.stringify(settings[key as keyof Duties]))
  return (
    <form
      className="flex flex-col gap-6"
      onSubmit={(event) => {
        event.preventDefault()
        save.mutate({ nodeId, ...draft })
      }}
    >
      <div className={LINE}>
        <Checkbox
          label="May lead the ring"
          hint="Else it never leads and never stands by."
          checked={!now.excludeLeader}
          onChange={(event) => change({ excludeLeader: !event.target.checked })}
        />
        {PARTS.map(({ name, words }) => (
          <Checkbox
            key={name}
            label={words}
            checked={!now.excludeServices.includes(name)}
            onChange={(event) =>
              change({
                excludeServices: event.target.checked ? now.excludeServices.filter((one) => one !== name) : [...now.excludeServices, name],
              })
            }
          />
        ))}
      </div>
      <Limits quotas={now.quotas} onChange={(quotas) => change({ quotas })} />
      <QuietHours hours={now.quietHours} onChange={(quietHours) => change({ quietHours })} />
      {save.error === null ? null : <Banner tone="error">{sentenceOf(save.error)}</Banner>}
      <div className="flex gap-2">
        <Button type="submit" variant="primary" busy={save.isPending} disabled={!changed}>
          Save
        </Button>
        {changed ? (
          <Button variant="quiet" onClick={() => setDraft({})}>
            Discard
          </Button>
        ) : null}
      </div>
    </form>
  )
}

function Limits({ quotas, onChange }: { quotas: Settings['quotas']; onChange: (quotas: Settings['quotas']) => void }) {
  return (
    <div className="grid grid-cols-2 gap-4 sm:grid-cols-4">
      {LIMITS.map(({ key, label, most }) => (
        <Field key={key} label={label}>
          <Input
            type="number"
            inputMode="numeric"
            min={0}
            max={most}
            step={1}
            placeholder="auto"
            value={quotas[key] ?? ''}
            onChange={({ target }) => {
              const { [key]: _before, ...others } = quotas
              onChange(target.value === '' ? others : { ...others, [key]: Math.min(most, Math.max(0, Math.round(Number(target.value)))) })
            }}
          />
        </Field>
      ))}
    </div>
  )
}

const AT_NIGHT = { from: '22:00', to: '07:00' }

function QuietHours({ hours, onChange }: { hours: Settings['quietHours']; onChange: (hours: Settings['quietHours']) => void }) {
  return (
    <div className={LINE}>
      <Checkbox
        label="Full speed at certain hours only"
        hint="Outside them, work in the background is gentle. Recording and live pictures are never slowed down."
        checked={hours !== null}
        onChange={(event) => onChange(event.target.checked ? AT_NIGHT : null)}
      />
      {hours === null ? null : (
        <div className="grid max-w-xs grid-cols-2 gap-4 pl-6.5">
          <Field label="From">
            <Input type="time" required value={hours.from} onChange={({ target }) => onChange({ ...hours, from: target.value })} />
          </Field>
          <Field label="To">
            <Input type="time" required value={hours.to} onChange={({ target }) => onChange({ ...hours, to: target.value })} />
          </Field>
        </div>
      )}
    </div>
  )
}
