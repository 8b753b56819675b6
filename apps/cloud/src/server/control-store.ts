import type { RenewalDecision } from '@thatdam/control/credentials'
import { FOUNDING_LEASE_MS } from '@thatdam/control/founding'
import { formerKeys } from '@thatdam/control/key-chain'
import { verifySignature } from '@thatdam/control/keys'
import type { HeldCursor } from '@thatdam/control/poll-hub'
import type { RelayCursor } from '@thatdam/control/relay'
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
} from '@thatdam/control/store'
import type { Database } from '@thatdam/db/client'
import type { CloudNode, Cluster, Prisma } from '@thatdam/db/generated/client'
import { ThatdamError } from '@thatdam/protocol/errors'
import { type Command, Command as CommandSchema, type ReportRequest } from '@thatdam/protocol/poll'
import type { RosterRecord } from '@thatdam/protocol/roster'
import { NodeSettings } from '@thatdam/protocol/settings'
import { writeAudit } from '../domain/audit.ts'
import { notifyNode, notifyRing } from '../domain/node-channel.ts'
import { meetAt } from './rendezvous-store.ts'
import { appointPoller, hasAllRecords, mayBeFounded, type PlacedRow, placeComer, replaceKey, ringNews, takeReport } from './ring-store.ts'

/** A node that polls counts as heard from; written at most this often. */
const CONTACT_RESOLUTION_MS = 5_000
const COMMANDS_MAX = 32
/** Fifty machines may redeem one token at once: each waits its turn for a connection. */
const TRANSACTION = { maxWait: 15_000, timeout: 15_000 }

type Transaction = Prisma.TransactionClient
const json = (value: unknown): Prisma.InputJsonValue => value as Prisma.InputJsonValue
const ms = (date: Date | null): number | null => date?.getTime() ?? null

function recordOf(row: CloudNode): NodeRecord {
  return {
    id: row.id,
    nodeId: row.nodeId,
    nodeKey: row.nodeKey,
    organisationId: row.organisationId,
    sequence: row.sequence,
    lastRequestNonce: row.renewNonce,
    lastSentAtMs: ms(row.renewSentAt) ?? 0,
    lockedAtMs: ms(row.lockedAt),
    revokedAtMs: ms(row.revokedAt),
  }
}

/** The control plane's memory in PostgreSQL. */
export class PrismaControlStore implements ControlStore {
  readonly #db: Database
  constructor(db: Database) {
    this.#db = db
  }

  async findToken(tokenKey: string): Promise<StoredToken | null> {
    const row = await this.#db.joinToken.findUnique({ where: { tokenKey }, include: { organisation: true } })
    if (row === null) return null
    return {
      tokenKey,
      scope: row.scope,
      organisation: { id: row.organisationId, name: row.organisation.name },
      createdAtMs: row.createdAt.getTime(),
      expiresAtMs: row.expiresAt.getTime(),
      maxUses: row.usesMax,
      revokedAtMs: ms(row.revokedAt),
    }
  }

  async redeemToken(input: RedeemInput): Promise<RedeemOutcome> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#db.$transaction((tx) => redeem(tx, input), TRANSACTION)
      } catch (error) {
        // The same node key came with two tokens at once: the second look sees the first one's row.
        if ((error as { code?: string }).code !== 'P2002' || attempt === 3) throw error
      }
    }
  }

  async audit(event: AuditEvent): Promise<void> {
    const { atMs, kind, organisationId, nodeKey, nodeId, address, detail } = event
    const actor = nodeId === null || kind === 'join.stranger' ? 'stranger' : `node:${nodeId}`
    await writeAudit(this.#db, { atMs, organisationId, actor, action: kind, subject: nodeKey ?? '', detail, address })
  }

  async getNode(nodeKey: string): Promise<NodeRecord | null> {
    const row = await this.#db.cloudNode.findUnique({ where: { nodeKey } })
    return row && recordOf(row)
  }

  async renew(
    nodeKey: string,
    decide: (row: NodeRecord) => RenewalDecision,
  ): Promise<{ row: NodeRecord; decision: RenewalDecision } | null> {
    return this.#db.$transaction(async (tx) => {
      await tx.$queryRaw`SELECT 1 FROM cloud_nodes WHERE "nodeKey" = ${nodeKey} FOR UPDATE`
      const found = await tx.cloudNode.findUnique({ where: { nodeKey } })
      if (found === null) return null
      const row = recordOf(found)
      const decision = decide(row)
      if (decision.kind === 'grant') {
        const { sequence, requestNonce: renewNonce, sentAtMs } = decision
        await tx.cloudNode.update({
          where: { nodeKey },
          data: { sequence, renewNonce, renewSentAt: new Date(sentAtMs), lastContactAt: new Date() },
        })
      } else if (decision.kind === 'lock') {
        await tx.cloudNode.update({ where: { nodeKey }, data: { lockedAt: new Date(decision.atMs) } })
        await notifyNode(tx, row.id)
      }
      return { row, decision }
    }, TRANSACTION)
  }

  replaceKey(oldKey: string, newKey: string, at: { records: readonly RosterRecord[]; nowMs: number }): Promise<boolean> {
    return this.#db.$transaction((tx) => replaceKey(tx, { oldKey, newKey }, at), TRANSACTION)
  }

  async isRevoked(id: string): Promise<boolean> {
    const row = await this.#db.cloudNode.findUnique({ where: { id }, select: { revokedAt: true, lockedAt: true } })
    return row === null || row.revokedAt !== null || row.lockedAt !== null
  }

  async saveReport(node: NodeRecord, report: ReportRequest, nowMs: number): Promise<void> {
    const { facts, ring, ...rest } = report
    // Its records have a table of their own.
    const kept = ring === undefined ? rest : { ...rest, ring: { ...ring, records: [] } }
    await this.#db.$transaction(async (tx) => {
      const now = new Date(nowMs)
      await tx.cloudNode.update({ where: { id: node.id }, data: { facts: json(facts), report: json(kept), lastContactAt: now } })
      // Never beyond what was asked, and never back: reports may cross on their way.
      await tx.$executeRaw`UPDATE cloud_nodes SET "settingsConfirmed" = LEAST("settingsRevision", ${report.settings.cloudRevision})
        WHERE id = ${node.id}::uuid AND "settingsConfirmed" < LEAST("settingsRevision", ${report.settings.cloudRevision})`
      for (const { id, text } of report.commandResults) {
        await tx.nodeCommand.updateMany({
          where: { id: asUuid(id), nodeRowId: node.id, finishedAt: null },
          data: { finishedAt: now, resultText: text },
        })
      }
    }, TRANSACTION)
    if (ring !== undefined) await takeReport(this.#db, node, { ring, nowMs, transaction: TRANSACTION })
  }

  async loadPoll(node: NodeRecord, asked: { cursor: number; relay: RelayCursor; nowMs: number }): Promise<PollNews | null> {
    const found = await this.#nodeAndRing(node)
    const { row, cluster } = found.row?.ringState === 'waiting' ? await this.#foundIfNobodyDid(node, found, asked.nowMs) : found
    // Removed between the poll's authentication and now: its wake-up may have come before anyone listened.
    if (row === null || row.revokedAt !== null) {
      throw new ThatdamError('NODE_REVOKED', 'This machine was removed by its owner. To take it back, register it with a fresh join token.')
    }
    if (row.lockedAt !== null)
      throw new ThatdamError(
        'NODE_LOCKED',
        'Two machines present this node’s key. Open the node in the cloud app and say which one is real.',
      )
    const stale = new Date(asked.nowMs - CONTACT_RESOLUTION_MS)
    if (row.lastContactAt < stale) {
      await this.#db.cloudNode.updateMany({
        where: { id: row.id, lastContactAt: { lt: stale } },
        data: { lastContactAt: new Date(asked.nowMs) },
      })
    }
    const ring = row.ringState === null ? null : cluster
    if (row.revision === asked.cursor && (ring === null || hasAllRecords(ring, asked.relay))) return null
    const wished = row.settingsRevision > row.settingsConfirmed ? NodeSettings.safeParse(row.settings) : null
    return {
      version: 1,
      revision: row.revision,
      settings: wished?.success ? { revision: row.settingsRevision, value: wished.data } : null,
      commands: await this.#openCommands(row.id),
      plan: null,
      ...(ring === null ? {} : await ringNews(this.#db, { row, cluster: ring, rendezvous: found.rendezvous }, asked.relay)),
    }
  }

  /** Both as of one moment: the row says whether the machine is in the ring, the ring what it gets to read. */
  async #nodeAndRing(node: NodeRecord): Promise<{ row: CloudNode | null; cluster: Cluster | null; rendezvous: boolean }> {
    const [row, organisation] = await this.#db.$transaction(
      [
        this.#db.cloudNode.findUnique({ where: { id: node.id } }),
        this.#db.organisation.findUnique({ where: { id: node.organisationId }, select: { rendezvous: true, cluster: true } }),
      ],
      { isolationLevel: 'RepeatableRead' },
    )
    return { row, cluster: organisation?.cluster ?? null, rendezvous: organisation?.rendezvous ?? false }
  }

  async #foundIfNobodyDid(
    node: NodeRecord,
    found: { row: CloudNode | null; cluster: Cluster | null },
    nowMs: number,
  ): Promise<{ row: CloudNode | null; cluster: Cluster | null }> {
    if (!mayBeFounded(found.cluster, nowMs)) return found
    await this.#db.$transaction((tx) => appointPoller(tx, node, nowMs), TRANSACTION)
    return this.#nodeAndRing(node)
  }

  meet(node: NodeRecord, left: LeftAnnouncement | null, nowMs: number): Promise<MeetOutcome> {
    return meetAt(this.#db, { node, left, nowMs })
  }

  async changedSince(held: readonly HeldCursor[], nowMs: number): Promise<string[]> {
    const [ids, cursors] = [held.map(({ key }) => key), held.map(({ cursor }) => cursor)]
    const [now, stale, lapsed] = [nowMs, nowMs - CONTACT_RESOLUTION_MS, nowMs - FOUNDING_LEASE_MS].map((atMs) => new Date(atMs))
    // Who is being written already is passed over: this never waits, so nobody waits in a circle with it.
    await this.#db.$executeRaw`UPDATE cloud_nodes SET "lastContactAt" = ${now} WHERE id IN (
      SELECT id FROM cloud_nodes WHERE id = ANY(${ids}::uuid[]) AND "lastContactAt" < ${stale} FOR NO KEY UPDATE SKIP LOCKED)`
    const rows = await this.#db.$queryRaw<{ id: string }[]>`SELECT held.id::text AS id
      FROM unnest(${ids}::uuid[], ${cursors}::int8[]) AS held(id, cursor)
      LEFT JOIN cloud_nodes AS node ON node.id = held.id
      LEFT JOIN clusters AS ring ON ring."organisationId" = node."organisationId"
      WHERE node.id IS NULL OR node.revision <> held.cursor OR node."revokedAt" IS NOT NULL OR node."lockedAt" IS NOT NULL
        OR (node."ringState" = 'waiting'
          AND (ring."organisationId" IS NULL OR (ring."confirmedAt" IS NULL AND ring."appointedAt" <= ${lapsed})))`
    return rows.map(({ id }) => id)
  }

  async #openCommands(nodeRowId: string): Promise<Command[]> {
    const rows = await this.#db.nodeCommand.findMany({
      where: { nodeRowId, finishedAt: null },
      orderBy: { issuedAt: 'asc' },
      take: COMMANDS_MAX,
    })
    return rows.flatMap((row) => {
      const command = CommandSchema.safeParse({ id: row.id, name: row.name, issuedAtMs: row.issuedAt.getTime() })
      return command.success ? [command.data] : []
    })
  }
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
/** Another text is no id of ours; it matches no row. */
const asUuid = (text: string): string => (UUID.test(text) ? text : '00000000-0000-0000-0000-000000000000')

/** One redemption; the lock on the token's row makes any number of them take turns. */
async function redeem(tx: Transaction, input: RedeemInput): Promise<RedeemOutcome> {
  await tx.$queryRaw`SELECT 1 FROM join_tokens WHERE "tokenKey" = ${input.tokenKey} FOR UPDATE`
  const token = await tx.joinToken.findUnique({ where: { tokenKey: input.tokenKey }, include: { organisation: true } })
  if (token === null) return { kind: 'unknown' }
  const organisation = { id: token.organisationId, name: token.organisation.name }
  const { nodeKey, nodeId, nowMs } = input
  const earlier = formerKeys(input.records, { nodeId, publicKey: nodeKey, verify: verifySignature })
  for (const oldKey of earlier) await recognise(tx, { oldKey, nodeKey, nodeId, organisationId: organisation.id }, { ...input, nowMs })
  const before = await tx.joinRedemption.findUnique({ where: { tokenId_nodeKey: { tokenId: token.id, nodeKey } } })
  const existing = await tx.cloudNode.findUnique({ where: { nodeKey } })
  if (before !== null) {
    if (existing?.organisationId !== token.organisationId || existing.revokedAt !== null) return { kind: 'removed' }
    const placed = await placeComer(tx, organisation.id, input)
    if (typeof placed === 'string') return { kind: placed }
    await tx.cloudNode.update({ where: { nodeKey }, data: placed.row })
    await notifyRing(tx, organisation.id, 'in')
    return { kind: 'joined', nodeId: existing.nodeId, organisation, repeated: true, place: placed.place }
  }
  if (token.revokedAt !== null) return { kind: 'revoked' }
  if (input.nowMs >= token.expiresAt.getTime()) return { kind: 'expired' }
  if (token.uses >= token.usesMax) return { kind: 'used' }
  const elsewhere = existing !== null && existing.organisationId !== token.organisationId
  if (elsewhere && existing.revokedAt === null) return { kind: 'other-organisation' }
  const namesake = await tx.cloudNode.findUnique({
    where: { organisationId_nodeId: { organisationId: organisation.id, nodeId: input.nodeId } },
  })
  if (namesake !== null && namesake.nodeKey !== nodeKey) return { kind: 'node-id-taken' }
  const placed = await placeComer(tx, organisation.id, input)
  if (typeof placed === 'string') return { kind: placed }
  await tx.joinToken.update({ where: { id: token.id }, data: { uses: { increment: 1 } } })
  await tx.joinRedemption.create({ data: { tokenId: token.id, nodeKey, redeemedAt: new Date(input.nowMs) } })
  // Removed by its former owner, a machine may go elsewhere: with a new row, so that nothing of theirs comes along.
  if (elsewhere) await tx.cloudNode.delete({ where: { nodeKey } })
  await admit(tx, input, { organisationId: organisation.id, known: existing !== null && !elsewhere, row: placed.row })
  await notifyRing(tx, organisation.id, 'in')
  return { kind: 'joined', nodeId: input.nodeId, organisation, repeated: false, place: placed.place }
}

/** A machine that replaced its key since it was here last is the same machine. */
async function recognise(
  tx: Transaction,
  { oldKey, nodeKey, nodeId, organisationId }: { oldKey: string; nodeKey: string; nodeId: string; organisationId: string },
  at: { records: readonly RosterRecord[]; nowMs: number },
): Promise<void> {
  const known = await tx.cloudNode.findUnique({ where: { nodeKey: oldKey }, select: { nodeId: true, organisationId: true } })
  if (known?.nodeId === nodeId && known.organisationId === organisationId) await replaceKey(tx, { oldKey, newKey: nodeKey }, at)
}

/** Makes the node's row, or takes a removed node back. */
async function admit(
  tx: Transaction,
  input: RedeemInput,
  place: { organisationId: string; known: boolean; row: PlacedRow['row'] },
): Promise<void> {
  const data = {
    nodeId: input.nodeId,
    genesisHash: input.genesisHash,
    clusterId: input.genesis.body.clusterId,
    genesis: json(input.genesis),
    facts: json(input.facts),
    allowedIndexRoots: [...input.allowedIndexRoots],
    lastContactAt: new Date(input.nowMs),
    lockedAt: null,
    revokedAt: null,
    ...place.row,
  }
  if (place.known) await tx.cloudNode.update({ where: { nodeKey: input.nodeKey }, data: { ...data, revision: { increment: 1 } } })
  else await tx.cloudNode.create({ data: { ...data, organisationId: place.organisationId, nodeKey: input.nodeKey } })
}
