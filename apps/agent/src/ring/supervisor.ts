import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import type { LocalState } from '@thatdam/protocol/local'
import { ThatdamError } from '@thatdam/protocol/errors'
import type { Term } from '@thatdam/protocol/plan'
import type { SupervisedNodes, SupervisedPlans } from '@thatdam/protocol/supervisor'
import { requestSignal, sendJson } from '../local-api/http.ts'
import { memberOf, type NodeRoute } from '../link/server.ts'
import type { Version } from '../state/version.ts'
import type { PlanBook } from './plan-book.ts'

const ALIVE_MS = 15_000
/** Changes within this time are told together. */
const SETTLE_MS = 200
/** Listeners at once; each costs a little at every change. */
const LISTENERS_MAX = 32
/** A listener that takes nothing for so long is cut: what is told to it waits in this machine's memory. */
const STANDS_MS_MAX = 60_000

export interface SupervisorPorts {
  readonly version: Version
  readonly book: PlanBook
  /** The term under which this node may speak for the ring now; null: it does not lead. */
  readonly orderTerm: () => Term | null
  readonly members: () => LocalState['members']
  /** Left out: a minute. */
  readonly standsMsMax?: number
}

/** What the leader tells of its ring: `/v1/nodes`, `/v1/plans`, `/v1/events`. */
export class Supervisor {
  private readonly ports: SupervisorPorts
  private listeners = 0

  constructor(ports: SupervisorPorts) {
    this.ports = ports
  }

  /** For members. */
  routes(): NodeRoute[] {
    const paths = ['/v1/nodes', '/v1/plans', '/v1/events'] as const
    return paths.map((path) => ({
      method: 'GET',
      path,
      run: async (call) => {
        memberOf(call)
        await this.answer(path, call.response)
        return null
      },
    }))
  }

  /** @throws ThatdamError CONFLICT where this machine does not lead; UNAVAILABLE when too many listen. */
  async answer(path: '/v1/nodes' | '/v1/plans' | '/v1/events', response: ServerResponse): Promise<void> {
    if (path === '/v1/nodes') sendJson(response, 200, this.nodes())
    else if (path === '/v1/plans') sendJson(response, 200, this.plans())
    else await this.stream(response)
  }

  private nodes(): SupervisedNodes {
    const nodes = this.ports.members().map((member) => {
      const { nodeId, name, role, awake, standby, admitter, lastContactMs, consoleUrl, reported } = member
      const plan = reported?.plan ?? null
      const desiredHash = this.ports.book.of(nodeId)?.envelope.bodyHash ?? null
      const agentVersion = reported?.agentVersion ?? null
      return { nodeId, name, role, awake, standby, admitter, lastContactMs, consoleUrl, agentVersion, desiredHash, plan }
    })
    return { version: 1, term: this.requireTerm(), nodes }
  }

  private plans(): SupervisedPlans {
    const { book } = this.ports
    const plans = [...book.all.values()].map(({ envelope: { bodyHash, revision }, body }) => ({ bodyHash, revision, body }))
    return { version: 1, term: this.requireTerm(), plans, warnings: [...book.warnings] }
  }

  private requireTerm(): Term {
    const term = this.ports.orderTerm()
    if (term !== null) return term
    throw new ThatdamError('CONFLICT', 'This machine does not lead the ring now. GET /cluster says which one does.')
  }

  private async stream(response: ServerResponse): Promise<void> {
    this.requireTerm()
    if (this.listeners >= LISTENERS_MAX) throw new ThatdamError('UNAVAILABLE', 'As many programs listen already as this machine serves.')
    this.listeners += 1
    try {
      response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
      await this.tell(response, requestSignal(response))
    } finally {
      this.listeners -= 1
      response.end()
    }
  }

  /** Ends with the lead: the listener looks for the next leader. One that reads slowly is told only how things are when it comes to it. */
  private async tell(response: ServerResponse, signal: AbortSignal): Promise<void> {
    const { version, orderTerm } = this.ports
    const told = new Map<string, string>()
    let id = 0
    const say = (event: string, value: unknown, key: string): void => {
      if (told.get(event) === key) return
      told.set(event, key)
      id += 1
      response.write(`id: ${id}\nevent: ${event}\ndata: ${JSON.stringify(value)}\n\n`)
    }
    while (!signal.aborted) {
      const seen = version.value
      const term = orderTerm()
      say('term', term, JSON.stringify(term))
      if (term === null) return
      const nodes = this.nodes()
      say('nodes', nodes, JSON.stringify(nodes.nodes.map(({ lastContactMs: _lastContactMs, ...rest }) => rest)))
      const plans = this.plans()
      say('plans', plans, JSON.stringify([plans.plans.map(({ bodyHash }) => bodyHash), plans.warnings]))
      if (!(await this.isTaken(response, signal))) return
      await version.waitNewer(seen, ALIVE_MS, signal)
      if (version.value === seen) response.write(': alive\n\n')
      else await new Promise((resolve) => setTimeout(resolve, SETTLE_MS))
    }
  }

  /** Waits until what was told has left this machine's memory. False: it did not, and the listener is cut. */
  private async isTaken(response: ServerResponse, signal: AbortSignal): Promise<boolean> {
    if (!response.writableNeedDrain) return true
    const limit = AbortSignal.timeout(this.ports.standsMsMax ?? STANDS_MS_MAX)
    const isTaken = await once(response, 'drain', { signal: AbortSignal.any([signal, limit]) }).then(
      () => true,
      () => false,
    )
    if (!isTaken) response.destroy()
    return isTaken
  }
}
