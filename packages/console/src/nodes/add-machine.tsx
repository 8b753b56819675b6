'use client'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { Banner } from '@thatdam/ui/banner'
import { Button } from '@thatdam/ui/button'
import { CopyButton } from '@thatdam/ui/copy-button'
import { Dialog } from '@thatdam/ui/dialog'
import { Field } from '@thatdam/ui/field'
import { Select } from '@thatdam/ui/select'
import { Tabs } from '@thatdam/ui/tabs'
import { useState } from 'react'
import { sentenceOf, useTRPC, type Outputs } from '../client.tsx'
import { span } from '../format.tsx'
import { useNow } from '../state.tsx'
import { joinCommand, type System } from './join-commands.tsx'
import { OpenTokens } from './open-tokens.tsx'

type Made = Outputs['ring']['makeToken']

const LIVES = [
  { value: '15', label: '15 minutes' },
  { value: '60', label: '1 hour' },
  { value: '1440', label: '1 day' },
  { value: '10080', label: '7 days' },
]
const MACHINES = [1, 5, 20, 100].map((number) => ({ value: String(number), label: number === 1 ? 'One machine' : `${number} machines` }))

/** A join token of this ring, with the whole command; no cloud is asked. */
export function AddMachine({ onClose }: { onClose: () => void }) {
  const trpc = useTRPC()
  const queries = useQueryClient()
  const [lifeMinutes, setLifeMinutes] = useState('15')
  const [machines, setMachines] = useState('1')
  const make = useMutation(
    trpc.ring.makeToken.mutationOptions({ onSuccess: () => queries.invalidateQueries({ queryKey: trpc.ring.tokens.queryKey() }) }),
  )
  return (
    <Dialog
      open
      onOpenChange={(open) => {
        if (!open) onClose()
      }}
      title="Add a machine"
      description="A machine in this network that has ThatDAM already shows up under “Near you” by itself. For any other, make a command here and run it there."
      width="lg"
    >
      <div className="flex flex-col gap-5 pb-2">
        {make.data === undefined ? (
          <form
            className="flex flex-col gap-4"
            onSubmit={(event) => {
              event.preventDefault()
              make.mutate({ machines: Number(machines), lifeMinutes: Number(lifeMinutes) })
            }}
          >
            <div className="grid gap-4 sm:grid-cols-2">
              <Field label="Good for">
                <Select value={machines} onValueChange={setMachines} options={MACHINES} />
              </Field>
              <Field label="Valid for">
                <Select value={lifeMinutes} onValueChange={setLifeMinutes} options={LIVES} />
              </Field>
            </div>
            {make.error === null ? null : <Banner tone="error">{sentenceOf(make.error)}</Banner>}
            <div>
              <Button type="submit" variant="primary" size="lg" busy={make.isPending}>
                Make the command
              </Button>
            </div>
          </form>
        ) : (
          <MadeToken made={make.data} onAgain={() => make.reset()} />
        )}
        <OpenTokens />
      </div>
    </Dialog>
  )
}

const WHERE: Record<System, string> = {
  unix: 'Run this in a terminal of the machine, or over SSH.',
  windows: 'Run this in PowerShell. Opened as administrator, ThatDAM starts with the machine; otherwise when you sign in.',
  installed: 'Run this on a machine that has ThatDAM and belongs to no ring yet.',
}

function MadeToken({ made, onAgain }: { made: Made; onAgain: () => void }) {
  const now = useNow(1_000)
  const [system, setSystem] = useState<System>(made.installUrl === null ? 'installed' : 'unix')
  const left = made.expiresAtMs - now
  if (left <= 0) {
    return (
      <Banner action={<Button onClick={onAgain}>Make another one</Button>}>
        The command is over. A machine that ran it in time is in.
      </Banner>
    )
  }
  const tab = (value: System, label: string) => ({
    value,
    label,
    content: <Command where={WHERE[value]} text={joinCommand(value, made.text, made.installUrl)} />,
  })
  return (
    <div className="flex flex-col gap-3">
      <Tabs
        label="System"
        value={system}
        onValueChange={(value) => setSystem(value as System)}
        tabs={[tab('unix', 'Linux, macOS'), tab('windows', 'Windows'), tab('installed', 'Has ThatDAM already')]}
      />
      <p className="text-base text-ink-soft">
        Valid for {span(left / 1000)}. It is shown this once: whoever has it can bring machines into this ring, so hand it on like a key.
      </p>
    </div>
  )
}

function Command({ where, text }: { where: string; text: string | null }) {
  if (text === null) {
    return (
      <p className="text-lg text-ink-soft">
        This ring has no installer to hand out. Install ThatDAM on the machine first, then take the command of “Has ThatDAM already”.
      </p>
    )
  }
  return (
    <div className="flex flex-col gap-3">
      <p className="text-lg">{where}</p>
      <code
        data-testid="command"
        className="block rounded-md border border-line-strong bg-ground p-3 font-mono text-base break-all whitespace-pre-wrap select-all"
      >
        {text}
      </code>
      <div>
        <CopyButton key={text} text={text} label="Copy command" variant="primary" size="lg" />
      </div>
    </div>
  )
}
