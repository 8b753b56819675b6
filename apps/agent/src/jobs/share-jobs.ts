import type { WorkNode } from '@thatdam/plan/sharing/contract'
import type { Json } from '@thatdam/protocol/canonical'
import type { NodeId } from '@thatdam/protocol/ids'
import { JobsAnswer, type JobsOrder } from '@thatdam/protocol/jobs'
import type { Term } from '@thatdam/protocol/plan'
import { sleep } from '../backoff.ts'
import { Bell } from '../blobs/bell.ts'
import type { LibraryIndex } from '../blobs/library-index.ts'
import { JobDesk, type Now } from './desk.ts'

/** A machine that has jobs hears of them this often at least: its leases, and ours on what it says, are kept so. */
const RENEW_MS = 4_000
/** Changes within this time are told together. */
const SETTLE_MS = 50
const BUSY_MS = 1_000
const QUIET_MS = 30_000

export interface SharePorts {
  readonly nodeId: NodeId
  /** The term under which this machine may order something at this instant; null: it does not lead. */
  readonly orderTerm: () => Term | null
  /** Null: this machine does not carry the library, or is alone. */
  readonly index: () => LibraryIndex | null
  /** Machines whose deriver runs, with what their plans let them do. */
  readonly workers: () => readonly WorkNode[]
  readonly awake: () => ReadonlySet<NodeId>
  /** Gives an order to a machine's deriver, under the present term. */
  readonly order: (nodeId: NodeId, order: JobsOrder) => Promise<Json>
  /** Resolves when the op-log, the ring or a machine's report is another, or after the time. */
  readonly changed: (limitMs: number, signal: AbortSignal) => Promise<void>
  readonly log: (message: string) => void
}

interface Sent {
  text: string
  atMs: number
  isRunning: boolean
}

/** While this machine leads: shares the ring's jobs out. Ends when it leads no more, or under another term; then what it knew is worthless. */
export async function shareJobs(ports: SharePorts, term: Term, index: LibraryIndex, signal: AbortSignal): Promise<void> {
  const desk = new JobDesk({ term: term.number, nodeId: ports.nodeId, index })
  const sent = new Map<NodeId, Sent>()
  const heard = new Bell()
  const isOver = (): boolean => {
    const now = ports.orderTerm()
    return signal.aborted || now?.number !== term.number || now.nodeId !== term.nodeId || ports.index() !== index
  }
  while (!isOver()) {
    desk.step(ports.workers(), ports.awake(), now())
    for (const nodeId of new Set([...desk.workers, ...sent.keys()])) {
      if (ports.awake().has(nodeId)) void exchange(ports, desk, { nodeId, sent, heard })
      else sent.delete(nodeId)
    }
    const either = new AbortController()
    const ended = AbortSignal.any([signal, either.signal])
    const limitMs = desk.workers.size > 0 ? BUSY_MS : QUIET_MS
    await Promise.race([heard.next(limitMs, ended), ports.changed(limitMs, ended)])
    either.abort()
    await sleep(SETTLE_MS, signal)
  }
}

const now = (): Now => ({ wallMs: Date.now(), monotonicMs: performance.now() })

/** One at a time with a machine: when what it has to do is other than it was told, and now and then while it has anything to do. */
async function exchange(
  ports: SharePorts,
  desk: JobDesk,
  { nodeId, sent, heard }: { readonly nodeId: NodeId; readonly sent: Map<NodeId, Sent>; readonly heard: Bell },
): Promise<void> {
  const order = desk.orderFor(nodeId)
  const text = JSON.stringify(order.jobs.map(({ jobId, fence }) => [jobId, fence]))
  const last = sent.get(nodeId) ?? { text: '[]', atMs: -Infinity, isRunning: false }
  const isDue = text !== last.text || (order.jobs.length > 0 && performance.now() - last.atMs >= RENEW_MS)
  if (last.isRunning || !isDue) return
  sent.set(nodeId, last)
  last.isRunning = true
  last.atMs = performance.now()
  try {
    const answer = JobsAnswer.parse(await ports.order(nodeId, order))
    last.text = text
    desk.hear(nodeId, answer, now())
    if (order.jobs.length === 0) sent.delete(nodeId)
  } catch (error) {
    ports.log(`${nodeId} did not take its jobs: ${error instanceof Error ? error.message : String(error)}`)
    // Its leases run out if that goes on.
    await sleep(BUSY_MS, AbortSignal.timeout(BUSY_MS))
  } finally {
    last.isRunning = false
    heard.ring()
  }
}
