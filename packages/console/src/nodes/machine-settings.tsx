'use client'
import { Button } from '@thatdam/ui/button'
import { useState, type ReactNode } from 'react'
import type { AgentState } from '../client.tsx'
import { ConflictChoice } from '../conflicts/conflict-choice.tsx'
import { useNodeConflicts } from '../conflicts/use-conflicts.tsx'
import { Folders } from '../settings/folders.tsx'
import { MachineForm } from '../settings/machine-form.tsx'
import { DutiesForm } from './duties-form.tsx'
import type { Member } from './member-view.tsx'
import { RemoveMachine } from './remove-machine.tsx'

/** The owner's wishes for one machine of the ring. A machine that is away follows them when it is back. */
export function MachineSettings({ agent, member }: { agent: AgentState; member: Member }) {
  const [removes, setRemoves] = useState(false)
  const conflicts = useNodeConflicts(member.nodeId)
  const settings = member.self ? agent.settings : member.settings
  if (settings === null) {
    return (
      <p className="text-lg text-ink-soft">This machine has not heard of the settings of {member.name} yet. They come by themselves.</p>
    )
  }
  return (
    <div className="flex max-w-2xl flex-col">
      {member.awake ? null : <p className="pb-4 text-base text-ink-soft">{member.name} is away, and follows a change when it is back.</p>}
      <div className="flex flex-col gap-3 not-empty:pb-4">
        <ConflictChoice {...conflicts} />
      </div>
      <Part title="What it is called">
        <MachineForm nodeId={member.nodeId} settings={settings} />
      </Part>
      <Part title="Folders" text="What is in them is in the library. Files are read where they are, never moved or changed.">
        <Folders
          machine={{
            nodeId: member.nodeId,
            name: member.name,
            self: member.self,
            awake: member.awake,
            paths: settings.indexPaths,
            index: member.self ? agent.index : (member.reported?.index ?? null),
          }}
        />
      </Part>
      <Part title="What it does">
        <DutiesForm nodeId={member.nodeId} settings={settings} />
      </Part>
      <Part title="Leave the ring" text="For a machine that was sold, broken or stolen.">
        <div>
          <Button onClick={() => setRemoves(true)}>Remove {member.name} …</Button>
        </div>
      </Part>
      {removes ? <RemoveMachine member={member} onClose={() => setRemoves(false)} /> : null}
    </div>
  )
}

function Part({ title, text, children }: { title: string; text?: string; children: ReactNode }) {
  return (
    <section className="flex flex-col gap-3 border-b border-line py-5 first:pt-0 last:border-0">
      <div>
        <h3 className="text-lg font-semibold">{title}</h3>
        {text === undefined ? null : <p className="text-base text-ink-soft">{text}</p>}
      </div>
      {children}
    </section>
  )
}
