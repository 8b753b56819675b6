import type { PlannedNode } from '@thatdam/plan/roster-view'
import type { BlobPart } from '../blobs/blob-part.ts'
import type { RingHost } from '../agent/ring-host.ts'
import type { Log } from '../log.ts'
import type { Loops } from '../loops/supervisor.ts'
import type { OrderPorts, Orders } from '../ring/orders.ts'
import type { SharePorts } from './share-jobs.ts'
import type { WorkerPorts } from './workers.ts'

const LOOK_MS = 30_000

export interface JobPartPorts extends Pick<WorkerPorts, 'planOf' | 'reportOf'> {
  readonly host: RingHost
  readonly nodeId: string
  readonly blobs: BlobPart
  readonly nodes: () => readonly PlannedNode[]
  readonly orders: Orders
  /** A command to a service of this machine. */
  readonly run: OrderPorts['run']
  readonly log: Log
}

/**
 * The ring's jobs, wherever this machine leads. Orders go over the route that all orders take: it carries the term, and the deriver at its other end
 * needs no more than a list of what it has to do, which may be told twice. What comes of it travels in the op-log.
 */
export class JobPart {
  private readonly ports: JobPartPorts

  constructor(ports: JobPartPorts) {
    this.ports = ports
  }

  startLoops(loops: Loops): void {
    loops.start('jobs of the ring', (signal) => this.lead(signal))
  }

  private async lead(signal: AbortSignal): Promise<void> {
    const { host, blobs } = this.ports
    while (!signal.aborted) {
      const term = host.part.leadership.order()
      const index = this.index()
      if (term === null || index === null) {
        await blobs.changed(LOOK_MS, signal)
        continue
      }
      const [{ shareJobs }, { workNodes }] = await Promise.all([import('./share-jobs.ts'), import('./workers.ts')])
      const workers = () => workNodes(this.ports.nodes(), { ...this.ports, utcOffsetMinutes: -new Date().getTimezoneOffset() })
      await shareJobs(this.sharePorts(workers), term, index, signal)
    }
  }

  private sharePorts(workers: SharePorts['workers']): SharePorts {
    const { host, nodeId, blobs, orders, run, log } = this.ports
    return {
      nodeId,
      orderTerm: () => host.part.leadership.order(),
      index: () => this.index(),
      workers,
      awake: () => host.part.awake,
      order: (to, order) =>
        to === nodeId ? run('deriver', 'jobs', order) : orders.command(to, 'deriver', { command: 'jobs', params: order }),
      changed: (limitMs, signal) => blobs.changed(limitMs, signal),
      log: (message) => log.debug(message),
    }
  }

  /** A machine alone makes its own, and needs nobody to tell it. */
  private index(): BlobPart['index'] {
    return this.ports.host.store.roster.members.size > 1 ? this.ports.blobs.index : null
  }
}
