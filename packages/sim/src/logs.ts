import { SYNC_START, syncStep, type LogSummary, type SyncAction, type SyncEvent, type SyncState } from '@thatdam/oplog/anti-entropy'
import { batchHash, makeBatch, verifyBatch, type LogHead } from '@thatdam/oplog/batch'
import { addEdits, EMPTY_REGISTER, readRegister, type FieldEdit, type Register } from '@thatdam/oplog/fields'
import { jsonHash } from '@thatdam/oplog/hash'
import { HLC_ZERO, receive, tick, type HlcState } from '@thatdam/oplog/hlc'
import { maySign } from '@thatdam/oplog/rights'
import type { BatchSigner, VerifyBatchSignature } from '@thatdam/oplog/signing'
import { canonicalJson } from '@thatdam/protocol/canonical'
import type { Op, SignedBatch } from '@thatdam/protocol/ops'
import type { Chance } from './random.ts'

export type LogMessage =
  | { readonly kind: 'heights'; readonly logs: readonly LogSummary[]; readonly answer: boolean }
  | { readonly kind: 'want'; readonly logId: string; readonly sequence: number }
  | { readonly kind: 'batches'; readonly logId: string; readonly batches: readonly SignedBatch[] }

/** What under test decides about ops; a planted fault replaces a part. */
export interface LogRules {
  readonly maySign: typeof maySign
  /** Stamps are made in ring time, not by a machine's own wall clock. */
  readonly isRingTime: boolean
  readonly verify: typeof verifyBatch
}
export const LOG_RULES: LogRules = { maySign, isRingTime: true, verify: verifyBatch }

/** The fields that are edited: titles of two assets. */
export const SUBJECTS = ['a'.repeat(64), 'b'.repeat(64)] as const
const BATCHES_PER_PAGE = 8
const SYNC_MS = 3_000
const EPOCH_MS = 1_800_000_000_000

/** A signature that fits who made it and what it is over; the real one is not what is tried here, and slow. */
const signerOf = (nodeId: string): BatchSigner => ({ publicKey: nodeId, sign: (_domain, value) => jsonHash({ nodeId, value }) })
const verifySignature: VerifyBatchSignature = (_domain, value, signature, publicKey) => signature === jsonHash({ nodeId: publicKey, value })

interface Log {
  readonly batches: SignedBatch[]
  head: LogHead
}

/** All logs as one node holds them: its own and those of the others, on its disk; and what they add up to. */
export class SimLogs {
  private readonly disk = new Map<string, Log>()
  private registers = new Map<string, Register>()
  private held: { op: Op; author: string }[] = []
  private sync: SyncState = SYNC_START
  private clock: HlcState = HLC_ZERO
  private nextSyncAtMs = 0
  private edits = 0
  /** Ops that count here although their author had no right to them. */
  wronglyApplied = 0

  private readonly nodeId: string
  private readonly admitters: ReadonlySet<string>
  private readonly rules: LogRules
  private readonly chance: Chance
  private readonly send: (to: string, message: LogMessage) => void

  constructor(
    self: { nodeId: string; admitters: ReadonlySet<string> },
    rules: LogRules,
    chance: Chance,
    send: (to: string, message: LogMessage) => void,
  ) {
    this.nodeId = self.nodeId
    this.admitters = self.admitters
    this.rules = rules
    this.chance = chance
    this.send = send
  }

  /** After a start all is read from the disk again. */
  boot(times: Times): void {
    this.registers = new Map()
    this.held = []
    this.sync = SYNC_START
    this.clock = HLC_ZERO
    this.nextSyncAtMs = times.worldMs
    for (const { batches } of this.disk.values()) for (const batch of batches) this.apply(batch, times)
  }

  /** A person's edit: signed, on the disk, and in force here. Returns the op's id. */
  edit(subject: string, times: Times): string {
    const { state, stamp } = tick(this.clock, this.timeOf(times), this.nodeId)
    this.clock = state
    const id = jsonHash({ by: this.nodeId, count: ++this.edits }).slice(0, 32)
    const replaces = readRegister(this.registers.get(subject) ?? EMPTY_REGISTER).winner?.id ?? null
    const op: Op = { id, hlc: stamp, body: { kind: 'asset.set', subject, field: 'title', value: id, replaces } }
    const log = this.logOf(this.nodeId)
    const made = makeBatch({ nodeId: this.nodeId, epoch: '0'.repeat(32), head: log.head }, [op], signerOf(this.nodeId))
    log.batches.push(made.batch)
    log.head = made.head
    this.apply(made.batch, times)
    return id
  }

  tick(awake: () => ReadonlySet<string>, times: Times): void {
    if (times.worldMs < this.nextSyncAtMs) return
    this.nextSyncAtMs = times.worldMs + SYNC_MS * (0.75 + this.chance.draw() / 2)
    const ready = this.held
    this.held = []
    for (const { op, author } of ready) this.applyOp(op, author, times)
    const peers = [...awake()].filter((nodeId) => nodeId !== this.nodeId)
    this.step({ type: 'tick', peers }, times)
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

  winner(subject: string): FieldEdit | null {
    return readRegister(this.registers.get(subject) ?? EMPTY_REGISTER).winner
  }

  /** Ids of all ops on the disk, whoever wrote them and whether they count or not. */
  opIds(): Set<string> {
    return new Set([...this.disk.values()].flatMap(({ batches }) => batches.flatMap((batch) => batch.ops.map((op) => op.id))))
  }

  private step(event: SyncEvent, times: Times): void {
    const own = [...this.disk].map(([logId, { batches, head }]) => ({
      logId,
      sequence: head?.sequence ?? 0,
      batches: batches.length,
      head: head?.hash ?? '',
    }))
    const { state, actions } = syncStep(this.sync, event, { own, nowMs: times.worldMs, random: this.chance.draw() })
    this.sync = state
    for (const action of actions) this.act(action, own)
  }

  private act(action: SyncAction, own: readonly LogSummary[]): void {
    if (action.type === 'send-heights') this.send(action.to, { kind: 'heights', logs: own, answer: action.answer })
    else if (action.type === 'send-want') this.send(action.to, { kind: 'want', logId: action.logId, sequence: action.sequence })
    else {
      const { batches } = this.logOf(action.logId)
      const page = batches.slice(action.sequence - 1, action.sequence - 1 + BATCHES_PER_PAGE)
      if (page.length > 0) this.send(action.to, { kind: 'batches', logId: action.logId, batches: page })
    }
  }

  private importAll(
    logId: string,
    batches: readonly SignedBatch[],
    times: Times,
  ): { next: number; outcome: 'stored' | 'known' | 'gap' | 'faulty' } {
    let outcome: 'stored' | 'known' | 'gap' | 'faulty' = 'known'
    let next = 1
    for (const batch of batches) {
      const log = this.logOf(logId)
      next = batch.header.sequence + 1
      const known = log.batches[batch.header.sequence - 1]
      if (known !== undefined) {
        outcome = batchHash(known.header) === batchHash(batch.header) ? 'known' : 'faulty'
        continue
      }
      const verdict = this.rules.verify(batch, { publicKey: logId, head: log.head }, verifySignature)
      if (!verdict.ok) return { next, outcome: verdict.fault === 'gap' ? 'gap' : 'faulty' }
      log.batches.push(batch)
      log.head = verdict.head
      this.apply(batch, times)
      outcome = 'stored'
    }
    return { next, outcome }
  }

  private apply(batch: SignedBatch, times: Times): void {
    for (const op of batch.ops) this.applyOp(op, batch.header.nodeId, times)
  }

  private applyOp(op: Op, author: string, times: Times): void {
    const { state, verdict } = receive(this.clock, op.hlc, this.timeOf(times))
    this.clock = state
    if (verdict === 'future') {
      this.held.push({ op, author })
      return
    }
    if (op.body.kind !== 'asset.set' || !this.rules.maySign(op.body, { nodeId: author, admitter: this.admitters.has(author) }).ok) return
    if (!this.admitters.has(author)) this.wronglyApplied++
    const { subject, value, replaces } = op.body
    const register = this.registers.get(subject) ?? EMPTY_REGISTER
    this.registers.set(subject, addEdits(register, [{ id: op.id, hlc: op.hlc, value, replaces }]))
  }

  private logOf(logId: string): Log {
    const known = this.disk.get(logId)
    if (known !== undefined) return known
    const log: Log = { batches: [], head: null }
    this.disk.set(logId, log)
    return log
  }

  private timeOf(times: Times): number {
    return EPOCH_MS + (this.rules.isRingTime ? times.ringMs : times.wallMs)
  }
}

/** `ringMs`: what the node takes for the ring's time, at most two seconds off; `wallMs`: what its own clock says. */
export interface Times {
  readonly worldMs: number
  readonly ringMs: number
  readonly wallMs: number
}
