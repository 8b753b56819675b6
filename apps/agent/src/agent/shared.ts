import { isDeepStrictEqual } from 'node:util'
import type { OpLog } from '@thatdam/oplog/disk/log'
import { heldToLeast } from '@thatdam/plan/election/elect'
import type { Json } from '@thatdam/protocol/canonical'
import type { NodeFacts } from '@thatdam/protocol/facts'
import type { NodeSettings } from '@thatdam/protocol/settings'
import type { Loops } from '../loops/supervisor.ts'
import { FactsTeller } from '../ring/facts-teller.ts'
import type { KnownOf } from '../ring/ring-nodes.ts'
import { RingState } from '../ring/ring-state.ts'
import type { Identity } from '../state/identity.ts'
import type { RingHost } from './ring-host.ts'
import { SharedOwner } from './shared-owner.ts'

export interface SharedPorts {
  readonly identity: Identity
  readonly oplog: OpLog
  readonly host: RingHost
  /** Ops of the ring were taken in: facts or wishes of a machine, the policy, a secret, a session. */
  readonly changed: () => void
  /** A sentence for the owner. */
  readonly notice: (sentence: string) => void
}

/** What the members of a ring know of each other and of their owner: all of it lies in the ops that each of them carries. */
export class Shared {
  readonly state: RingState
  readonly owner: SharedOwner
  private readonly identity: Identity
  private readonly oplog: OpLog
  private readonly teller: FactsTeller
  private readonly notice: (sentence: string) => void
  /** Told of once. */
  private readonly doubted = new Set<string>()

  constructor({ identity, oplog, host, changed, notice }: SharedPorts) {
    this.identity = identity
    this.notice = notice
    this.oplog = oplog
    this.state = new RingState(oplog, () => host.part.clock.nowMs())
    this.owner = new SharedOwner({ identity, oplog, state: this.state, store: () => host.store })
    this.teller = new FactsTeller(identity, oplog, this.state)
    this.state.onChange(changed)
  }

  startLoops(loops: Loops): void {
    loops.start('what the ring shares', (signal) => this.state.follow(signal))
  }

  /** Tells the ring what this machine is, where that differs in coarse steps from what it told. */
  tellFacts(facts: NodeFacts): void {
    this.teller.tell(facts)
  }

  /** This machine as every member plans with it: by what it told, so that all plan the same. Null before it told anything. */
  own(settings: NodeSettings): KnownOf | null {
    const facts = this.factsOf(this.identity.nodeId)
    return facts && { facts, settings }
  }

  /** Another member by what it told of itself and what the owner wishes of it. */
  other(nodeId: string): KnownOf | null {
    const facts = this.factsOf(nodeId)
    return facts && { facts, settings: this.state.settingsOf(nodeId) }
  }

  private factsOf(nodeId: string): NodeFacts | null {
    const told = this.state.factsOf(nodeId)
    if (told === null) return null
    const facts = heldToLeast(told.facts, told.least)
    if (facts !== told.facts && !this.doubted.has(nodeId)) {
      this.doubted.add(nodeId)
      this.notice(
        `${nodeId} says that it is a stronger machine than the one that came into this ring. It keeps its old duties and never leads. If its card was moved to another machine: take ${nodeId} out, and let it in again with another NODE_ID.`,
      )
    }
    return facts
  }

  /** What a machine's owner wishes of it, told by that machine, signed here: only where this machine is an admitter. */
  wish(nodeId: string, wishes: Partial<NodeSettings>): void {
    const now = this.state.settingsOf(nodeId)
    const fields = (Object.keys(wishes) as (keyof NodeSettings)[]).filter((field) => !isDeepStrictEqual(wishes[field], now[field]))
    if (fields.length === 0) return
    this.oplog.append(
      fields.map((field) => {
        const value = wishes[field] as Json
        return { body: { kind: 'node.set', subject: nodeId, field, value, replaces: this.state.settingEdit(nodeId, field) } }
      }),
    )
    this.state.absorb()
  }

  get policy(): RingState['policy'] {
    return this.state.policy
  }
}
