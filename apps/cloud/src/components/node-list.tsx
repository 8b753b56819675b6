'use client'
import { Banner } from '@thatdam/ui/banner'
import { Button } from '@thatdam/ui/button'
import { EmptyState } from '@thatdam/ui/empty-state'
import { RingMark } from '@thatdam/ui/ring'
import Link from 'next/link'
import type { NodeView } from '../domain/node-view.ts'
import { plural } from '../domain/plural.ts'
import { type RingView, sortRing } from '../domain/ring-view.ts'
import { Contact, RingBadge, RoleBadge } from './node-badges.tsx'
import { OpenConsole } from './open-console.tsx'
import { RingSummary } from './ring-summary.tsx'
import { ringText } from './ring-words.ts'
import { usePolled } from './use-polled.ts'
import { stateText } from './words.ts'

const EVERY_MS = 2_000

interface Listed {
  nodes: NodeView[]
  ring: RingView
}

export function NodeList({ first }: { first: Listed }) {
  const { value, problem, set } = usePolled('/api/nodes', first, EVERY_MS)
  const { nodes, ring } = value
  const sorted = sortRing(ring, nodes)
  if (nodes.length === 0) {
    return (
      <EmptyState
        icon={<RingMark className="size-12!" />}
        title="No machines yet"
        action={
          <Button asChild variant="primary" size="lg">
            <Link href="/add-machine">Add a machine</Link>
          </Button>
        }
      >
        Copy one command, run it on a Raspberry Pi, a Mac or a PC, and it shows up here.
      </EmptyState>
    )
  }
  return (
    <div className="flex flex-col gap-6">
      <div className="flex items-center justify-between gap-4">
        <h1 className="text-2xl font-semibold">Machines</h1>
        <Button asChild variant="primary">
          <Link href="/add-machine">Add a machine</Link>
        </Button>
      </div>
      {problem === null ? null : <Banner tone="warning">{problem}</Banner>}
      <RingSummary ring={ring} sorted={sorted} onChanged={(changed) => set({ nodes, ring: changed })} />
      <Rows title="" nodes={sorted.inRing} told={(node) => ringText(node, ring, sorted)} />
      <Rows title="Waiting to be let in" nodes={sorted.waiting} told={(node) => ringText(node, ring, sorted)} />
      <Rows title="On their own" nodes={sorted.apart} told={(node) => ringText(node, ring, sorted)} />
    </div>
  )
}

function Rows({ title, nodes, told }: { title: string; nodes: readonly NodeView[]; told: (node: NodeView) => string }) {
  if (nodes.length === 0) return null
  return (
    <section className="flex flex-col gap-2">
      {title === '' ? null : <h2 className="text-lg font-semibold">{title}</h2>}
      <ul className="flex flex-col border-t border-line">
        {nodes.map((node) => (
          <li key={node.id} className="border-b border-line py-4" data-node={node.nodeId} data-ring={node.ringState ?? 'none'}>
            <NodeRow node={node} told={told(node)} />
          </li>
        ))}
      </ul>
    </section>
  )
}

/** `told`: where it stands in the ring; empty when its badge says all. */
function NodeRow({ node, told }: { node: NodeView; told: string }) {
  // Workers pass a browser on to the leader's console: a closed door is worth a word only there.
  const leads = node.role === 'leader' && node.ringState !== 'waiting'
  const hasDoor = node.console.url !== null || leads
  return (
    <div className="grid gap-x-6 gap-y-3 sm:grid-cols-[minmax(0,1fr)_auto]">
      <div className="flex min-w-0 flex-col gap-2">
        <div className="flex flex-wrap items-center gap-x-3 gap-y-1">
          <Link
            href={`/nodes/${node.id}`}
            className="text-lg font-semibold text-ink underline-offset-4 [overflow-wrap:anywhere] hover:underline"
          >
            {node.settings.name}
          </Link>
          {node.ringState === 'waiting' ? <RingBadge /> : <RoleBadge role={node.role} />}
          <span className="text-base text-ink-soft">
            <Contact node={node} />
          </span>
        </div>
        {told === '' ? null : <p className="text-base text-ink">{told}</p>}
        <p className="text-base text-ink-soft">
          {[node.osName, node.model, counts(node), node.settings.labels.join(', ')].filter(Boolean).join(' · ')}
        </p>
        <ServiceSummary node={node} />
        {hasDoor && node.console.url === null ? <p className="text-base text-ink-faint">{node.console.reason}</p> : null}
      </div>
      <div className="flex items-start gap-2">
        <Button asChild size="sm">
          <Link href={`/nodes/${node.id}`}>Settings</Link>
        </Button>
        {hasDoor ? <OpenConsole node={node} size="sm" /> : null}
      </div>
    </div>
  )
}

function counts(node: NodeView): string {
  if (node.counts === null) return ''
  const { assets, cameras, recordingsActive } = node.counts
  const recording = recordingsActive > 0 ? `, ${plural(recordingsActive, 'recording')} running` : ''
  return `${plural(assets, 'asset')}, ${plural(cameras, 'camera')}${recording}`
}

/** Running services by name, and what is not running with its reason; the whole list is on the machine's own page. */
function ServiceSummary({ node }: { node: NodeView }) {
  const shown = node.services.filter((service) => service.state !== 'not-in-this-version' && service.state !== 'stopped')
  if (shown.length === 0) return <p className="text-base text-ink-faint">Services: waiting for its first report.</p>
  const drifted = shown.filter((service) => service.state !== 'running')
  const running = shown.filter((service) => service.state === 'running')
  return (
    <div className="flex flex-col gap-0.5 text-base text-ink-faint">
      {running.length === 0 ? null : (
        <p>
          Runs{' '}
          {running.map((service, index) => (
            <span key={service.name} title={service.why}>
              {index > 0 ? ', ' : ''}
              {service.name}
            </span>
          ))}
        </p>
      )}
      {drifted.map((service) => (
        <p key={service.name} className={service.state === 'failed' ? 'text-danger-text' : 'text-ink-soft'}>
          {stateText(service.state)}: {service.name}
          {service.reason === '' ? '' : `. ${service.reason}`}
        </p>
      ))}
    </div>
  )
}
