'use client'
import { Button } from '@thatdam/ui/button'
import { Field } from '@thatdam/ui/field'
import { Input, Textarea } from '@thatdam/ui/input'
import { Check, Clock } from 'lucide-react'
import { type FormEvent, useState } from 'react'
import type { NodeView } from '../domain/node-view.ts'
import { call } from '../web/call.ts'

const lines = (text: string, separator: RegExp): string[] => [
  ...new Set(
    text
      .split(separator)
      .map((part) => part.trim())
      .filter((part) => part !== ''),
  ),
]

export function NodeSettingsForm({ node, onSaved }: { node: NodeView; onSaved: (node: NodeView) => void }) {
  const [name, setName] = useState(node.settings.name)
  const [labels, setLabels] = useState(node.settings.labels.join(', '))
  const [paths, setPaths] = useState(node.settings.indexPaths.join('\n'))
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<string | null>(null)
  const [touched, setTouched] = useState(false)
  const { settings } = node
  const dirty = name !== settings.name || labels !== settings.labels.join(', ') || paths !== settings.indexPaths.join('\n')
  const save = async (event: FormEvent): Promise<void> => {
    event.preventDefault()
    setBusy(true)
    const patch = { name: name.trim(), labels: lines(labels, /,/), indexPaths: lines(paths, /\r?\n/) }
    const saved = await call<NodeView>('PATCH', `/api/nodes/${node.id}`, patch)
    setBusy(false)
    setProblem(saved.ok ? null : saved.message)
    setTouched(true)
    if (saved.value !== null) onSaved(saved.value)
  }
  return (
    <section className="flex min-w-0 flex-col gap-4">
      <h2 className="text-xl font-semibold">Settings</h2>
      <form onSubmit={(event) => void save(event)} className="flex flex-col gap-4">
        <Field label="Name">
          <Input name="name" value={name} onChange={(event) => setName(event.target.value)} required maxLength={64} />
        </Field>
        <Field label="Labels" hint="With commas between them.">
          <Input name="labels" value={labels} onChange={(event) => setLabels(event.target.value)} placeholder="studio, footage" />
        </Field>
        <Field label="Folders to index" hint={<AllowedHint node={node} />}>
          <Textarea
            name="indexPaths"
            value={paths}
            onChange={(event) => setPaths(event.target.value)}
            rows={4}
            spellCheck={false}
            className="font-mono text-base!"
            placeholder={node.os === 'win32' ? 'D:\\Footage' : '/home/me/Pictures'}
          />
        </Field>
        <div className="flex min-h-10 flex-wrap items-center gap-x-4 gap-y-2">
          <Button type="submit" variant="primary" size="lg" busy={busy} disabled={!dirty}>
            Save
          </Button>
          {problem === null ? <SettingsState node={node} touched={touched} /> : <p className="text-base text-danger-text">{problem}</p>}
        </div>
      </form>
    </section>
  )
}

function AllowedHint({ node }: { node: NodeView }) {
  const within =
    node.allowedIndexRoots.length > 0 ? ` From here only within ${node.allowedIndexRoots.join(', ')}: that was decided on the machine.` : ''
  return <>One path per line. Files stay where they are.{within}</>
}

function SettingsState({ node, touched }: { node: NodeView; touched: boolean }) {
  if (node.settingsState === 'saved') {
    return (
      <output className="inline-flex items-center gap-1.5 text-base text-ink-soft" data-testid="settings-state">
        <Clock className="size-4" aria-hidden />
        Saved, waiting for the machine
      </output>
    )
  }
  if (!touched) return null
  return (
    <output className="inline-flex items-center gap-1.5 text-base text-healthy" data-testid="settings-state">
      <Check className="size-4" aria-hidden />
      Applied on the machine
    </output>
  )
}
