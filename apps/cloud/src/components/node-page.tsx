'use client'
import { Banner } from '@thatdam/ui/banner'
import { Button } from '@thatdam/ui/button'
import { ChevronLeft } from 'lucide-react'
import Link from 'next/link'
import { useRouter } from 'next/navigation'
import { useState } from 'react'
import type { NodeView } from '../domain/node-view.ts'
import { call } from '../web/call.ts'
import { ConfirmDialog } from './confirm-dialog.tsx'
import { Contact, RoleBadge } from './node-badges.tsx'
import { NodeSettingsForm } from './node-settings-form.tsx'
import { OpenConsole } from './open-console.tsx'
import { usePolled } from './use-polled.ts'
import { stateText } from './words.ts'

export function NodePage({ first }: { first: NodeView }) {
  const [saving, setSaving] = useState(first.settingsState === 'saved')
  const { value: node, problem, status, set } = usePolled(`/api/nodes/${first.id}`, first, saving ? 300 : 2_000)
  if (saving && node.settingsState === 'applied') setSaving(false)
  if (status === 404) return <Banner tone="warning">This machine was removed. Its media is still on it.</Banner>
  return (
    <div className="flex flex-col gap-8">
      <div className="flex flex-col gap-2">
        <Link href="/nodes" className="inline-flex items-center gap-1 self-start text-base text-ink-soft hover:text-ink">
          <ChevronLeft className="size-4" aria-hidden />
          Machines
        </Link>
        <div className="flex flex-wrap items-center gap-x-3 gap-y-2">
          <h1 className="text-2xl font-semibold [overflow-wrap:anywhere]">{node.settings.name}</h1>
          <RoleBadge role={node.role} />
          <span className="text-base text-ink-soft">
            <Contact node={node} />
          </span>
          <div className="max-sm:basis-full sm:ml-auto">
            <OpenConsole node={node} variant={node.console.url === null ? 'secondary' : 'primary'} />
          </div>
        </div>
        <p className="text-base text-ink-soft [overflow-wrap:anywhere]">
          {[node.nodeId, node.osName, node.model, node.arch, node.agentVersion && `agent ${node.agentVersion}`].filter(Boolean).join(' · ')}
        </p>
      </div>
      {problem === null ? null : <Banner tone="warning">{problem}</Banner>}
      {node.locked ? <LockedBanner node={node} /> : null}
      {node.console.url === null ? <Banner>{node.console.reason}</Banner> : null}
      {node.problems.map((text) => (
        <Banner key={text} tone="warning">
          {text}
        </Banner>
      ))}
      <div className="grid gap-x-16 gap-y-10 lg:grid-cols-[minmax(0,440px)_minmax(0,1fr)]">
        <NodeSettingsForm
          node={node}
          onSaved={(saved) => {
            set({ ...saved, console: node.console })
            setSaving(true)
          }}
        />
        <Services node={node} />
      </div>
      <RemoveMachine node={node} />
    </div>
  )
}

function Services({ node }: { node: NodeView }) {
  return (
    <section className="flex min-w-0 flex-col gap-3">
      <h2 className="text-xl font-semibold">Services</h2>
      {node.services.length === 0 ? (
        <p className="text-lg text-ink-soft">Waiting for this machine’s first report.</p>
      ) : (
        <ul className="flex flex-col border-t border-line">
          {node.services.map((service) => (
            <li
              key={service.name}
              className="grid grid-cols-[minmax(0,1fr)_auto] gap-x-4 gap-y-0.5 border-b border-line py-2.5 sm:grid-cols-[128px_128px_minmax(0,1fr)]"
            >
              <span>{service.name}</span>
              <span className={service.state === 'failed' ? 'text-danger-text' : 'text-ink-soft'}>{stateText(service.state)}</span>
              <span className="col-span-full text-ink-soft sm:col-span-1">
                {service.why}
                {service.reason === '' ? null : <span className="block text-ink">{service.reason}</span>}
              </span>
            </li>
          ))}
        </ul>
      )}
    </section>
  )
}

function LockedBanner({ node }: { node: NodeView }) {
  const [problem, setProblem] = useState('')
  return (
    <Banner
      tone="error"
      action={
        <Button
          onClick={() => {
            void call('POST', `/api/nodes/${node.id}/unlock`, {}).then((done) => setProblem(done.message))
          }}
        >
          It is one machine: let it in
        </Button>
      }
    >
      Two machines came with this one’s key, so both are kept out of the cloud; on your network they go on. If you copied its disk, remove
      identity.json on the copy and add that as a new machine. If the copy is not in your hands, let this one in and run “thatdam rekey” on
      it: the key that was copied then opens nothing. {problem}
    </Banner>
  )
}

function RemoveMachine({ node }: { node: NodeView }) {
  const router = useRouter()
  const [open, setOpen] = useState(false)
  return (
    <section className="flex flex-col gap-3 border-t border-line pt-6">
      <h2 className="text-xl font-semibold">Remove</h2>
      <p className="max-w-[64ch] text-lg text-ink-soft">
        Ends this machine’s access to the cloud at once. Nothing on it is deleted, and what it does on your own network goes on.
      </p>
      <div>
        <Button onClick={() => setOpen(true)}>Remove this machine…</Button>
      </div>
      <ConfirmDialog
        open={open}
        onOpenChange={setOpen}
        title={`Remove ${node.settings.name}?`}
        confirm="Remove"
        run={() => call('DELETE', `/api/nodes/${node.id}`)}
        onDone={() => router.push('/nodes')}
      >
        It can come back with a fresh command from “Add machine”.
      </ConfirmDialog>
    </section>
  )
}
