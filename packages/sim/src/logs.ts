import { SYNC_START, syncStep, type SyncAction, type SyncEvent, type SyncState } from '@thatdam/oplog/anti-entropy'
import { batchHash, contentFault, makeBatch, type LogHead } from '@thatdam/oplog/batch'
import { addEdits, EMPTY_REGISTER, readRegister, type FieldState, type Register } from '@thatdam/oplog/fields'
import { jsonHash } from '@thatdam/oplog/hash'
import { FUTURE_MS_MAX, HLC_ZERO, isFuture, receive, tick, type HlcState } from '@thatdam/oplog/hlc'
import { maySign } from '@thatdam/oplog/rights'
import { readSet } from '@thatdam/oplog/sets'
import type { BatchSigner, VerifyBatchSignature } from '@thatdam/oplog/signing'
import { canonicalJson } from '@thatdam/protocol/canonical'
import type { LogSummary } from '@thatdam/protocol/op-sync'
import type { Op, SignedBatch } from '@thatdam/protocol/ops'
import type { Chance } from './random.ts'
import { TagSet } from './tags.ts'

export type LogMessage =
  | { readonly kind: 'heights'; readonly logs: readonly LogSummary[]; readonly answer: boolean }
  | { readonly kind: 'want'; readonly logId: string; readonly sequence: number }
  | { readonly kind: 'batches'; readonly logId: string; readonly batches: readonly SignedBatch[] }

/** What under test decides about ops; a planted fault replaces a part. */
export interface LogRules {
  readonly maySign: typeof maySign
  readonly content: typeof contentFault
  /** A node that hears of more of its own log than it has begins a new epoch. */
  readonly opensEpoch: boolean
  readonly readSet: typeof readSet
}
export const LOG_RULES: LogRules = { maySign, content: contentFault, opensEpoch: true, readSet }

/** The fields that are edited: titles of two assets. */
export const SUBJECTS = ['a'.repeat(64), 'b'.repeat(64)] as const
const BATCHES_PER_PAGE = 8
const SYNC_MS = 3_000

/** A signature that fits who made it and what it is over; the real one is not what is tried here, and slow. */
const signerOf = (nodeId: string): BatchSigner => ({ publicKey: nodeId, sign: (_domain, value) => jsonHash({ nodeId, value }) })
const verified = new WeakSet<SignedBatch>()
/** A batch is the same object wherever it came, so it is looked into once: nothing in a run changes one. */
const verifySignature: VerifyBatchSignature = (_domain, value, signature, publicKey) => signature === jsonHash({ nodeId: publicKey, value })

const headHashes = new WeakMap<SignedBatch, string>()
function hashOfBatch(batch: SignedBatch): string {
  const known = headHashes.get(batch)
  if (known !== undefined) return known
  const hash = batchHash(batch.header)
  headHashes.set(batch, hash)
  return hash
}

/** The batches of one epoch of one node, by their place: more than one at a place where the log forked. */
type Log = readonly (readonly SignedBatch[])[]
const GENESIS = '0'.repeat(64)

const hashesAt = (log: Log, sequence: number): string[] => (log[sequence - 1] ?? []).map(hashOfBatch)
const headOf = (log: Log): LogHead => {
  const hash = hashesAt(log, log.length).toSorted().at(-1)
  return hash === undefined ? null : { sequence: log.length, hash }
}

/** What lies on the disk: an image of it can be put back later. */
export interface LogImage {
  readonly logs: ReadonlyMap<string, Log>
  readonly epoch: string
  readonly edits: number
}

/** All logs as one node holds them: its own and those of the others, on its disk; and what they add up to. */
export class SimLogs {
  private readonly disk = new Map<string, Log>()
  private epoch: string
  private edits = 0
  private registers = new Map<string, Register>()
  private tags: TagSet
  private held: { op: Op; author: string }[] = []
  private sync: SyncState = SYNC_START
  private clock: HlcState = HLC_ZERO
  private nextSyncAtMs = 0
  private summaries: LogSummary[] | null = null
  /** Ops that count here although their author had no right to them. */
  wronglyApplied = 0
  /** Batches written in an epoch of which it knew that others hold more. */
  wronglyContinued = 0
  /** Epochs of its own that it has learned of from others. */
  private readonly outgrown = new Set<string>()

  private readonly nodeId: string
  private readonly truth: ReadonlySet<string>
  private readonly editors: () => ReadonlySet<string>
  private readonly rules: LogRules
  private readonly chance: Chance
  private readonly send: (to: string, message: LogMessage) => void

  /** `truth`: who ever had the right to edit; `editors`: who has it by this node's roster. */
  constructor(
    self: { nodeId: string; truth: ReadonlySet<string>; editors: () => ReadonlySet<string> },
    rules: LogRules,
    chance: Chance,
    send: (to: string, message: LogMessage) => void,
  ) {
    this.nodeId = self.nodeId
    this.truth = self.truth
    this.editors = self.editors
    this.rules = rules
    this.chance = chance
    this.send = send
    this.epoch = this.freshEpoch()
    this.tags = new TagSet(rules.readSet)
  }

  image(): LogImage {
    return { logs: new Map(this.disk), epoch: this.epoch, edits: this.edits }
  }

  restore({ logs, epoch, edits }: LogImage): void {
    this.disk.clear()
    for (const [logId, log] of logs) this.disk.set(logId, log)
    this.summaries = null
    this.epoch = epoch
    this.edits = edits
  }

  /** After a start all is read from the disk again. */
  boot(times: Times): void {
    this.held = []
    this.sync = SYNC_START
    this.nextSyncAtMs = times.worldMs
    this.readAgain(times)
  }

  /** What counts is worked out anew from all that is on the disk: the roster is another one, or the time is. */
  readAgain(times: Times): void {
    this.registers = new Map()
    this.tags = new TagSet(this.rules.readSet)
    this.held = []
    this.clock = HLC_ZERO
    for (const log of this.disk.values()) for (const place of log) for (const batch of place) this.apply(batch, times)
  }

  /** A person's edit of a title, and with it of a tag: signed, on the disk, and in force here. Returns the title's op id. */
  edit(subject: string, times: Times): string {
    const id = jsonHash({ by: this.nodeId, epoch: this.epoch, count: ++this.edits }).slice(0, 32)
    const replaces = readRegister(this.registers.get(subject) ?? EMPTY_REGISTER).winner?.id ?? null
    this.write(id, { kind: 'asset.set', subject, field: 'title', value: id, replaces }, times)
    const tagId = jsonHash({ tagBeside: id }).slice(0, 32)
    this.write(tagId, { kind: 'asset.set', subject, field: 'note', value: this.tags.next(tagId), replaces: null }, times)
    return id
  }

  private write(id: string, body: Op['body'], times: Times): void {
    const { state, stamp } = tick(this.clock, times.ringMs, this.nodeId)
    this.clock = state
    const op: Op = { id, hlc: stamp, body }
    const logId = this.ownLogId()
    if (this.outgrown.has(logId)) this.wronglyContinued++
    const { batch } = makeBatch(
      { nodeId: this.nodeId, scope: 'library', epoch: this.epoch, head: headOf(this.disk.get(logId) ?? []) },
      [op],
      signerOf(this.nodeId),
    )
    verified.add(batch)
    this.store(logId, batch, times)
  }

  isDue(worldMs: number): boolean {
    return worldMs >= this.nextSyncAtMs
  }

  tick(peers: readonly string[], times: Times): void {
    this.nextSyncAtMs = times.worldMs + SYNC_MS * (0.75 + this.chance.draw() / 2)
    // Ring time stepped back: some of what counted is from the future.
    if (this.clock.ms > times.ringMs + FUTURE_MS_MAX) this.readAgain(times)
    const ready = this.held
    this.held = []
    for (const { op, author } of ready) this.applyOp(op, author, times)
    for (const op of this.ownFromFuture(times)) this.write(op.id, op.body, times)
    this.step({ type: 'tick', peers }, times)
  }

  /** Ops that this node once stamped by a clock that was wrong, and still may sign: it writes them again, under the same id. */
  private ownFromFuture(times: Times): Op[] {
    if (this.held.length === 0) return []
    const self = { nodeId: this.nodeId, admitter: this.editors().has(this.nodeId) }
    const own = this.held.filter(({ op, author }) => author === this.nodeId && this.rules.maySign(op.body, self).ok).map(({ op }) => op)
    const ids = new Set([...this.registers.values().flatMap((register) => register.keys()), ...this.tags.ids()])
    return [...new Map(own.map((op) => [op.id, op])).values()].filter((op) => isFuture(op.hlc, times.ringMs) && !ids.has(op.id))
  }

  receive(from: string, message: LogMessage, times: Times): void {
    if (message.kind === 'heights') this.step({ type: 'heights', from, logs: message.logs, answer: message.answer }, times)
    else if (message.kind === 'want') this.step({ type: 'want', from, logId: message.logId, sequence: message.sequence }, times)
    else this.step({ type: 'imported', from, logId: message.logId, ...this.importAll(message.logId, message.batches, times) }, times)
  }

  /** What the edits add up to: equal on two nodes that hold the same logs. */
  text(): string {
    return canonicalJson(
      SUBJECTS.map((subject) => {
        const { winner, conflicts } = readRegister(this.registers.get(subject) ?? EMPTY_REGISTER)
        return { winner: winner === null ? null : { ...winner }, conflicts: conflicts.map((edit) => ({ ...edit })) }
      }),
    )
  }

  /** Whether the tags are what the plain rule says of the same edits. */
  hasRightTags(): boolean {
    return canonicalJson(this.tags.shown()) === canonicalJson(this.tags.expected())
  }

  tagText(): string {
    return canonicalJson(this.tags.shown())
  }

  /** What a person sees of it: the edit that counts, and those that it was made without knowledge of. */
  shown(subject: string): FieldState {
    return readRegister(this.registers.get(subject) ?? EMPTY_REGISTER)
  }

  /** Ids of all ops on the disk, whoever wrote them and whether they count or not. */
  opIds(): Set<string> {
    return new Set([...this.disk.values()].flatMap((log) => log.flat().flatMap((batch) => batch.ops.map((op) => op.id))))
  }

  private ownLogId(): string {
    return `${this.nodeId} ${this.epoch}`
  }

  private freshEpoch(): string {
    return jsonHash({ by: this.nodeId, draw: this.chance.draw() }).slice(0, 32)
  }

  private own(): LogSummary[] {
    this.summaries ??= [...this.disk].map(([logId, log]) => {
      return {
        logId,
        scope: 'library',
        sequence: log.length,
        batches: log.reduce((sum, place) => sum + place.length, 0),
        head: headOf(log)?.hash ?? '',
      }
    })
    return this.summaries
  }

  private step(event: SyncEvent, times: Times): void {
    const own = this.own()
    const { state, actions } = syncStep(this.sync, event, { own, nowMs: times.worldMs, random: this.chance.draw() })
    this.sync = state
    for (const action of actions) this.act(action, own)
  }

  private act(action: SyncAction, own: readonly LogSummary[]): void {
    if (action.type === 'send-heights') this.send(action.to, { kind: 'heights', logs: own, answer: action.answer })
    else if (action.type === 'send-want') this.send(action.to, { kind: 'want', logId: action.logId, sequence: action.sequence })
    else {
      const log = this.disk.get(action.logId) ?? []
      const batches = log.slice(action.sequence - 1, action.sequence - 1 + BATCHES_PER_PAGE).flat()
      if (batches.length > 0) this.send(action.to, { kind: 'batches', logId: action.logId, batches })
    }
  }

  private importAll(
    logId: string,
    batches: readonly SignedBatch[],
    times: Times,
  ): { next: number; outcome: 'stored' | 'known' | 'gap' | 'own-epoch' | 'faulty' } {
    let outcome: 'stored' | 'known' = 'known'
    let next = 1
    for (const batch of batches) {
      const log = this.disk.get(logId) ?? []
      const { sequence, previous, nodeId } = batch.header
      next = sequence + 1
      if (hashesAt(log, sequence).includes(hashOfBatch(batch))) continue
      if (!verified.has(batch) && this.rules.content(batch, nodeId, verifySignature) !== null) return { next, outcome: 'faulty' }
      const before = sequence === 1 ? [GENESIS] : hashesAt(log, sequence - 1)
      if (!before.includes(previous)) return { next, outcome: 'gap' }
      if (logId === this.ownLogId()) this.outgrow(logId)
      this.store(logId, batch, times)
      outcome = 'stored'
    }
    return { next, outcome }
  }

  private outgrow(logId: string): void {
    this.outgrown.add(logId)
    if (this.rules.opensEpoch) this.epoch = this.freshEpoch()
  }

  private store(logId: string, batch: SignedBatch, times: Times): void {
    const log = [...(this.disk.get(logId) ?? [])]
    const place = batch.header.sequence - 1
    log[place] = [...(log[place] ?? []), batch]
    this.disk.set(logId, log)
    this.summaries = null
    this.apply(batch, times)
  }

  private apply(batch: SignedBatch, times: Times): void {
    for (const op of batch.ops) this.applyOp(op as Op, batch.header.nodeId, times)
  }

  private applyOp(op: Op, author: string, times: Times): void {
    const { state, verdict } = receive(this.clock, op.hlc, times.ringMs)
    this.clock = state
    if (verdict === 'future') {
      this.held.push({ op, author })
      return
    }
    if (op.body.kind !== 'asset.set' || !this.rules.maySign(op.body, { nodeId: author, admitter: this.editors().has(author) }).ok) return
    if (!this.truth.has(author)) this.wronglyApplied++
    const { subject, field, value, replaces } = op.body
    if (field === 'note') {
      this.tags.take(op, value)
      return
    }
    const register = this.registers.get(subject) ?? EMPTY_REGISTER
    this.registers.set(subject, addEdits(register, [{ id: op.id, hlc: op.hlc, value, replaces }]))
  }
}

/** `ringMs`: the ring's time as the node finds it, unix milliseconds; `worldMs`: of the run. */
export interface Times {
  readonly worldMs: number
  readonly ringMs: number
}
