import {
  initialPromises,
  stepPromises,
  type PromiseAction,
  type PromiseEvent,
  type PromiseMessage,
  type PromiseState,
} from '@thatdam/plan/placement/promise'
import type { Chance } from './random.ts'

/** How many copies of each blob the ring wants; a run starts with at least as many. */
export const COPIES_WANTED = 2
const BLOBS = 6
/** A promise holds for an hour: for copies a minute of the run counts as one. */
const HASTE = 60

/** What under test decides about copies; a planted fault replaces a part. */
export interface BlobRules {
  readonly step: typeof stepPromises
  /** A promise is given for a copy that was read and found whole. */
  readonly isVerified: boolean
  readonly isPromiseDurable: boolean
}

export const BLOB_RULES: BlobRules = { step: stepPromises, isVerified: true, isPromiseDurable: true }

/** The copies of one node, all of which it would rather be rid of: the hardest case for the promise protocol. */
export class SimStore {
  /** Survives a power cut, as a disk does. */
  readonly copies = new Set<string>()
  private readonly given = new Map<string, number>()
  private state: PromiseState = initialPromises(new Map(), 1)
  private readonly rules: BlobRules
  private readonly chance: Chance
  private readonly send: (to: string, message: PromiseMessage) => void
  private readonly deleted: (blob: string) => void

  constructor(rules: BlobRules, chance: Chance, send: (to: string, message: PromiseMessage) => void, deleted: (blob: string) => void) {
    this.rules = rules
    this.chance = chance
    this.send = send
    this.deleted = deleted
  }

  boot(worldMs: number): void {
    this.state = initialPromises(new Map(this.given), worldMs * HASTE + 1)
  }

  /** Takes its copy of a blob for surplus, and asks those that it believes to have one. All nodes come to the same blob at the same time. */
  seek(blob: string, believed: readonly string[], worldMs: number): void {
    if (!this.copies.has(blob)) return
    this.feed({ kind: 'seek', blob, others: believed, needed: COPIES_WANTED }, worldMs)
  }

  tick(worldMs: number): void {
    this.feed({ kind: 'tick' }, worldMs)
  }

  receive(from: string, message: PromiseMessage, worldMs: number): void {
    this.feed({ kind: 'message', from, message }, worldMs)
  }

  private feed(event: PromiseEvent, worldMs: number): void {
    const nowMs = worldMs * HASTE
    const { state, actions } = this.rules.step(this.state, event, nowMs, this.chance.draw())
    this.state = state
    for (const action of actions) this.carryOut(action, worldMs)
  }

  private carryOut(action: PromiseAction, worldMs: number): void {
    switch (action.kind) {
      case 'persist':
        if (this.rules.isPromiseDurable) this.given.set(action.blob, action.keepUntilMs)
        return
      case 'send':
        this.send(action.to, action.message)
        return
      case 'verify':
        this.feed({ kind: 'verified', blob: action.blob, isSound: !this.rules.isVerified || this.copies.has(action.blob) }, worldMs)
        return
      case 'delete':
        if (worldMs * HASTE < action.untilMs && this.copies.delete(action.blob)) this.deleted(action.blob)
        this.feed({ kind: 'deleted', blob: action.blob }, worldMs)
        return
    }
  }
}

export const blobName = (index: number): string => `blob-${index % BLOBS}`

/** Blob → who has it at the start: from two nodes up to all of them. */
export function drawCopies(nodeIds: readonly string[], chance: Chance): Map<string, readonly string[]> {
  const wanted = Math.min(COPIES_WANTED, nodeIds.length)
  return new Map(
    Array.from({ length: BLOBS }, (_, index) => {
      const start = chance.whole(0, nodeIds.length - 1)
      const count = chance.whole(wanted, Math.min(nodeIds.length, 6))
      return [blobName(index), Array.from({ length: count }, (_each, place) => nodeIds[(start + place) % nodeIds.length] ?? '')]
    }),
  )
}
