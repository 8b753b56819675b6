'use client'
import { Banner } from '@thatdam/ui/banner'
import { Button } from '@thatdam/ui/button'
import { EmptyState } from '@thatdam/ui/empty-state'
import { RingMark } from '@thatdam/ui/ring'
import Link from 'next/link'
import type { NodeView } from '../domain/node-view.ts'
import { Contact, RoleBadge } from './node-badges.tsx'
import { OpenConsole } from './open-console.tsx'
import { usePolled } from './use-polled.ts'
import { plural, stateText } from './words.ts'

const EVERY_MS = 2_000

export function NodeList({ first }: { first: NodeView[] }) {
  const { value, problem } = usePolled('/api/nodes', { nodes: first }, EVERY_MS)
  const { nodes } = value
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
      <div className="flex items-end justify-between gap-4">
        <div className="flex flex-col gap-1">
          <h1 className="text-2xl font-semibold">Machines</h1>
          <p className="text-lg text-ink-soft">{plural(nodes.length, 'machine')}</p>
        </div>
        <Button asChild variant="primary">
          <Link href="/add-machine">Add a machine</Link>
        </Button>
      </div>
      {problem === null ? null : <Banner tone="warning">{problem}</Banner>}
      <ul className="flex flex-col border-t border-line">
        {nodes.map((node) => (
          <li key={node.id} className="border-b border-line py-4" data-node={node.nodeId}>
            <NodeRow node={node} />
          </li>
        ))}
      </ul>
    </div>
  )
}

function NodeRow({ node }: { node: NodeView }) {
  return (
    <div className="flex flex-col gap-2">
      <div className="flex flex-wrap items-center gap-x-3 gap-y-2">
        <Link href={`/nodes/${node.id}`} className="text-lg font-semibold text-ink underline-offset-4 hover:underline">
          {node.settings.name}
        </Link>
        <RoleBadge role={node.role} />
        <span className="text-base text-ink-soft">
          <Contact node={node} />
        </span>
        <div className="flex gap-2 sm:ml-auto">
          <Button asChild size="sm">
            <Link href={`/nodes/${node.id}`}>Settings</Link>
          </Button>
          <OpenConsole node={node} size="sm" />
        </div>
      </div>
      <p className="text-base text-ink-soft">
        {[node.osName, node.model, counts(node)].filter(Boolean).join(' · ')}
        {node.settings.labels.length > 0 ? ` · ${node.settings.labels.join(', ')}` : ''}
      </p>
      <ServiceSummary node={node} />
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
