import { isDeepStrictEqual } from 'node:util'
import { sealKeyFromSeed } from '@thatdam/control/seal'
import type { OpLog } from '@thatdam/oplog/disk/log'
import { coarseFacts } from '@thatdam/plan/coarse-facts'
import type { NodeFacts } from '@thatdam/protocol/facts'
import type { Identity } from '../state/identity.ts'
import type { RingState } from './ring-state.ts'

/** Tells the ring what this machine is, when that is something else in coarse steps: a few ops a day. */
export class FactsTeller {
  private readonly identity: Identity
  private readonly oplog: OpLog
  private readonly state: RingState
  private readonly sealKey: string

  constructor(identity: Identity, oplog: OpLog, state: RingState) {
    this.identity = identity
    this.oplog = oplog
    this.state = state
    this.sealKey = sealKeyFromSeed(identity.key.seed).publicKey
  }

  tell(facts: NodeFacts): void {
    const { nodeId } = this.identity
    const told = this.state.factsOf(nodeId)
    const coarse = coarseFacts(facts, told?.facts)
    if (told !== null && told.sealKey === this.sealKey && isDeepStrictEqual(told.facts, coarse)) return
    this.oplog.append([{ body: { kind: 'node.facts', nodeId, facts: coarse, sealKey: this.sealKey } }])
    this.state.absorb()
  }
}
