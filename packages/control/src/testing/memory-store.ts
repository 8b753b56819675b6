import type { ReportRequest } from '@thatdam/protocol/poll'
import type { RosterRecord } from '@thatdam/protocol/roster'
import type { RenewalDecision } from '../credentials.ts'
import { formerKeys } from '../key-chain.ts'
import { verifySignature } from '../keys.ts'
import type { HeldCursor } from '../poll-hub.ts'
import type { RelayCursor } from '../relay.ts'
import type {
  AuditEvent,
  ControlStore,
  LeftAnnouncement,
  MeetOutcome,
  NodeRecord,
  PollNews,
  RedeemInput,
  RedeemOutcome,
  StoredToken,
} from '../store.ts'
import { MemoryRings } from './memory-rings.ts'

/**
 * The ports in memory, for tests. Each call first yields to the event loop, as a database does, so that calls made at once really
 * interleave; what must be atomic then happens in one go.
 */
export class MemoryStore implements ControlStore {
  readonly tokens = new Map<string, StoredToken & { redemptions: { nodeKey: string; nodeId: string }[] }>()
  readonly nodes = new Map<string, NodeRecord>()
  readonly news = new Map<string, PollNews>()
  readonly reports: ReportRequest[] = []
  readonly events: AuditEvent[] = []
  /** Null: this control plane founds no rings. */
  rings: MemoryRings | null = null
  /** Calls of loadPoll so far. */
  loads = 0

  addToken(token: StoredToken): void {
    this.tokens.set(token.tokenKey, { ...token, redemptions: [] })
  }

  async findToken(tokenKey: string): Promise<StoredToken | null> {
    await breath()
    return this.tokens.get(tokenKey) ?? null
  }

  async redeemToken(input: RedeemInput): Promise<RedeemOutcome> {
    await breath()
    const token = this.tokens.get(input.tokenKey)
    if (token === undefined) return { kind: 'unknown' }
    const { organisation } = token
    const { nodeId, nodeKey: publicKey, records } = input
    for (const oldKey of formerKeys(records, { nodeId, publicKey, verify: verifySignature })) {
      const known = this.nodes.get(oldKey)
      if (known?.nodeId === nodeId && known.organisationId === organisation.id) await this.replaceKey(oldKey, publicKey, input)
    }
    const before = token.redemptions.find((one) => one.nodeKey === input.nodeKey)
    const row = this.nodes.get(input.nodeKey)
    if (before !== undefined) {
      if (row?.organisationId !== organisation.id || row.revokedAtMs !== null) return { kind: 'removed' }
      const place = this.rings?.place(organisation.id, input) ?? null
      return typeof place === 'string' ? { kind: place } : { kind: 'joined', nodeId: before.nodeId, organisation, repeated: true, place }
    }
    if (token.revokedAtMs !== null) return { kind: 'revoked' }
    if (input.nowMs >= token.expiresAtMs) return { kind: 'expired' }
    if (token.redemptions.length >= token.maxUses) return { kind: 'used' }
    const elsewhere = row !== undefined && row.organisationId !== organisation.id
    if (elsewhere && row.revokedAtMs === null) return { kind: 'other-organisation' }
    const known = elsewhere ? undefined : row
    const namesake = [...this.nodes.values()].find((node) => node.nodeId === input.nodeId && node.organisationId === organisation.id)
    if (namesake !== undefined && namesake.nodeKey !== input.nodeKey) return { kind: 'node-id-taken' }
    const place = this.rings?.place(organisation.id, input) ?? null
    if (typeof place === 'string') return { kind: place }
    token.redemptions.push({ nodeKey: input.nodeKey, nodeId: input.nodeId })
    this.nodes.set(input.nodeKey, {
      ...(known ?? { id: `row-${this.nodes.size + 1}`, sequence: 0, lastRequestNonce: null, lastSentAtMs: 0 }),
      nodeId: input.nodeId,
      nodeKey: input.nodeKey,
      organisationId: organisation.id,
      lockedAtMs: null,
      revokedAtMs: null,
    })
    return { kind: 'joined', nodeId: input.nodeId, organisation, repeated: false, place }
  }

  audit(event: AuditEvent): Promise<void> {
    this.events.push(event)
    return breath()
  }

  async getNode(nodeKey: string): Promise<NodeRecord | null> {
    await breath()
    const node = this.nodes.get(nodeKey)
    return node === undefined ? null : { ...node }
  }

  async renew(
    nodeKey: string,
    decide: (row: NodeRecord) => RenewalDecision,
  ): Promise<{ row: NodeRecord; decision: RenewalDecision } | null> {
    await breath()
    const row = this.nodes.get(nodeKey)
    if (row === undefined) return null
    const decision = decide(row)
    if (decision.kind === 'grant') {
      const { sequence, requestNonce, sentAtMs } = decision
      this.nodes.set(nodeKey, { ...row, sequence, lastRequestNonce: requestNonce, lastSentAtMs: sentAtMs })
    }
    if (decision.kind === 'lock') this.nodes.set(nodeKey, { ...row, lockedAtMs: decision.atMs })
    return { row, decision }
  }

  async replaceKey(oldKey: string, newKey: string, at: { records: readonly RosterRecord[]; nowMs: number }): Promise<boolean> {
    await breath()
    const row = this.nodes.get(oldKey)
    if (row === undefined || row.revokedAtMs !== null || row.lockedAtMs !== null || this.nodes.has(newKey)) return false
    this.nodes.delete(oldKey)
    this.nodes.set(newKey, { ...row, nodeKey: newKey })
    const tokens = [...this.tokens.values()]
    for (const one of tokens.flatMap(({ redemptions }) => redemptions)) if (one.nodeKey === oldKey) one.nodeKey = newKey
    this.rings?.replaceKey({ ...row, nodeKey: newKey }, oldKey, at)
    return true
  }

  async isRevoked(id: string): Promise<boolean> {
    await breath()
    const node = [...this.nodes.values()].find((one) => one.id === id)
    return node === undefined || node.revokedAtMs !== null || node.lockedAtMs !== null
  }

  async saveReport(node: NodeRecord, report: ReportRequest, nowMs: number): Promise<void> {
    await breath()
    this.reports.push(report)
    if (report.ring) this.rings?.report(node, report.ring, nowMs)
  }

  async loadPoll(node: NodeRecord, asked: { cursor: number; relay: RelayCursor; nowMs: number }): Promise<PollNews | null> {
    await breath()
    this.loads += 1
    const row = this.news.get(node.nodeKey)
    const ring = this.rings?.news(node, asked) ?? null
    if (ring === null) return row === undefined || row.revision === asked.cursor ? null : row
    const revision = Math.max(row?.revision ?? 0, ring.revision)
    if (revision === asked.cursor && !ring.hasRecords) return null
    const base: PollNews = row ?? { version: 1, revision, settings: null, commands: [], plan: null }
    return { ...base, revision, ring: ring.news, waiting: ring.waiting }
  }

  async meet(node: NodeRecord, left: LeftAnnouncement | null, nowMs: number): Promise<MeetOutcome> {
    await breath()
    return this.rings?.meet(node, left, nowMs) ?? { kind: 'off' }
  }

  async changedSince(held: readonly HeldCursor[], nowMs: number): Promise<string[]> {
    await breath()
    const nodes = new Map([...this.nodes.values()].map((node) => [node.id, node]))
    const isNews = ({ key, cursor }: HeldCursor): boolean => {
      const node = nodes.get(key)
      if (node === undefined || node.revokedAtMs !== null || node.lockedAtMs !== null) return true
      const revision = this.news.get(node.nodeKey)?.revision ?? 0
      const ring = this.rings?.revisionOf(node, nowMs) ?? 0
      return Math.max(revision, ring) > 0 && Math.max(revision, ring) !== cursor
    }
    return held.filter(isNews).map(({ key }) => key)
  }
}

const breath = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
