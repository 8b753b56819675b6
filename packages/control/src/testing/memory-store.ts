import type { PollResponse, ReportRequest } from '@thatdam/protocol/poll'
import type { RenewalDecision } from '../credentials.ts'
import type { AuditEvent, ControlStore, NodeRecord, RedeemInput, RedeemOutcome, StoredToken } from '../store.ts'

/**
 * The ports in memory, for tests. Each call first yields to the event loop, as a database does, so that calls made at once really
 * interleave; what must be atomic then happens in one go.
 */
export class MemoryStore implements ControlStore {
  readonly tokens = new Map<string, StoredToken & { redemptions: { nodeKey: string; nodeId: string }[] }>()
  readonly nodes = new Map<string, NodeRecord>()
  readonly news = new Map<string, PollResponse>()
  readonly reports: ReportRequest[] = []
  readonly events: AuditEvent[] = []
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
    const before = token.redemptions.find((one) => one.nodeKey === input.nodeKey)
    if (before !== undefined) return { kind: 'joined', nodeId: before.nodeId, organisation, repeated: true }
    if (token.revokedAtMs !== null) return { kind: 'revoked' }
    if (input.nowMs >= token.expiresAtMs) return { kind: 'expired' }
    if (token.redemptions.length >= token.maxUses) return { kind: 'used' }
    const row = this.nodes.get(input.nodeKey)
    const elsewhere = row !== undefined && row.organisationId !== organisation.id
    if (elsewhere && row.revokedAtMs === null) return { kind: 'other-organisation' }
    const known = elsewhere ? undefined : row
    const namesake = [...this.nodes.values()].find((node) => node.nodeId === input.nodeId && node.organisationId === organisation.id)
    if (namesake !== undefined && namesake.nodeKey !== input.nodeKey) return { kind: 'node-id-taken' }
    token.redemptions.push({ nodeKey: input.nodeKey, nodeId: input.nodeId })
    this.nodes.set(input.nodeKey, {
      ...(known ?? { id: `row-${this.nodes.size + 1}`, sequence: 0, lastRequestNonce: null, lastSentAtMs: 0 }),
      nodeId: input.nodeId,
      nodeKey: input.nodeKey,
      organisationId: organisation.id,
      lockedAtMs: null,
      revokedAtMs: null,
    })
    return { kind: 'joined', nodeId: input.nodeId, organisation, repeated: false }
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

  async isRevoked(id: string): Promise<boolean> {
    await breath()
    const node = [...this.nodes.values()].find((one) => one.id === id)
    return node === undefined || node.revokedAtMs !== null || node.lockedAtMs !== null
  }

  async saveReport(_node: NodeRecord, report: ReportRequest): Promise<void> {
    await breath()
    this.reports.push(report)
  }

  async loadPoll(node: NodeRecord, cursor: number): Promise<PollResponse | null> {
    await breath()
    this.loads += 1
    const row = this.news.get(node.nodeKey)
    return row === undefined || row.revision === cursor ? null : row
  }
}

const breath = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
