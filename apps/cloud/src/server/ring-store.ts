import { confirms, isLapsed, placeInRing } from '@thatdam/control/founding'
import type { KeptIntent } from '@thatdam/control/join-intent'
import { keptRoster, RELAY_START, relayAfter, type RelayCursor, relayOn, takeRecords } from '@thatdam/control/relay'
import { recordId } from '@thatdam/control/roster-sync'
import type { Roster } from '@thatdam/control/roster'
import type { NodeRecord, Place, PollNews, RedeemInput, RedeemRefusal } from '@thatdam/control/store'
import type { Database } from '@thatdam/db/client'
import type { CloudNode, Cluster, Prisma } from '@thatdam/db/generated/client'
import { JOIN_INTENTS_MAX, RELAY_PAGE_MAX, type ReportRequest } from '@thatdam/protocol/poll'
import { GenesisRecord, RosterRecord } from '@thatdam/protocol/roster'
import { RateLimiterMemory } from 'rate-limiter-flexible'
import { writeAudit } from '../domain/audit.ts'
import { notifyRing } from '../domain/node-channel.ts'
import { keptRecords, lockOrganisation, ringOf, type RingState } from '../domain/ring-rows.ts'

/*
 * The organisation's ring in PostgreSQL: who founds it, who waits for it, and its records on their way. Decisions are in packages/control
 * (founding.ts, relay.ts); here is what they are made over.
 */

/** Folding a large ring for records of which none is good costs this server time: so often within a minute for one organisation, then they wait. */
const FRUITLESS = new RateLimiterMemory({ keyPrefix: 'fruitless-records', points: 30, duration: 60 })

type Transaction = Prisma.TransactionClient
const json = (value: unknown): Prisma.InputJsonValue => value as Prisma.InputJsonValue
const cursorOf = ({ position, digest }: Cluster): RelayCursor => ({ position, digest })

/** What a joining machine's row says of the ring. */
export interface PlacedRow {
  readonly place: Place
  readonly row: { ringState: RingState; joinIntent: Prisma.InputJsonValue }
}

/** Where a joining machine stands; the organisation's lock is held from here to the end of the transaction. */
export async function placeComer(tx: Transaction, organisationId: string, comer: RedeemInput): Promise<PlacedRow | RedeemRefusal> {
  await lockOrganisation(tx, organisationId)
  const before = await tx.cluster.findUnique({ where: { organisationId } })
  const placement = placeInRing(before && ringOf(before), comer, comer.nowMs)
  if (placement.kind === 'other-ring' || placement.kind === 'no-ring') return placement.kind
  if (placement.kind === 'appoint' && !(await appoint(tx, { organisationId, ...comer }))) return 'ring-elsewhere'
  const cluster = await tx.cluster.findUniqueOrThrow({ where: { organisationId } })
  const ring = ringOf(cluster)
  if (ring.founderKey === comer.nodeKey) {
    return { place: { role: 'founder', ring }, row: { ringState: 'in', joinIntent: json(comer.intent) } }
  }
  const told = await tx.clusterRecord.count({ where: { organisationId, record: { path: ['body', 'nodeId'], equals: comer.nodeId } } })
  if (told === 0 && ring.genesis.body.founder.publicKey !== comer.nodeKey) {
    return { place: { role: 'member', ring }, row: { ringState: 'waiting', joinIntent: json(comer.intent) } }
  }
  const roster = keptRoster(await keptRecords(tx, cluster))
  const isIn = roster.byKey.has(comer.nodeKey)
  const intent: KeptIntent = { ...comer.intent, removal: roster.removed.get(comer.nodeId)?.record ?? null }
  return { place: { role: 'member', ring }, row: { ringState: isIn ? 'in' : 'waiting', joinIntent: json(intent) } }
}

type Appointee = Pick<RedeemInput, 'nodeKey' | 'genesis' | 'genesisHash' | 'nowMs'> & { organisationId: string }

/** Its ring becomes the organisation's, for which all others wait from now on. False: that ring is another organisation's. */
async function appoint(tx: Transaction, founder: Appointee): Promise<boolean> {
  const { organisationId, genesis, genesisHash, nodeKey: founderKey } = founder
  const same = await tx.cluster.findUnique({ where: { genesisHash } })
  if (same !== null && same.organisationId !== organisationId) return false
  await tx.cluster.deleteMany({ where: { organisationId } })
  const { position, digest } = RELAY_START
  const { clusterId } = genesis.body
  const appointedAt = new Date(founder.nowMs)
  await tx.cluster.create({
    data: { organisationId, clusterId, genesisHash, genesis: json(genesis), founderKey, appointedAt, position, digest },
  })
  await tx.$executeRaw`UPDATE cloud_nodes SET "ringState" = CASE WHEN "nodeKey" = ${founderKey} THEN 'in' ELSE 'waiting' END
    WHERE "organisationId" = ${organisationId}::uuid AND "joinIntent" IS NOT NULL`
  await notifyRing(tx, organisationId, 'all')
  return true
}

/** A machine that waits and polls: is nobody there to wait for, it founds the ring itself. */
export async function appointPoller(tx: Transaction, node: NodeRecord, nowMs: number): Promise<void> {
  const { organisationId, nodeKey, nodeId } = node
  await lockOrganisation(tx, organisationId)
  const row = await tx.cloudNode.findUnique({ where: { id: node.id } })
  const cluster = await tx.cluster.findUnique({ where: { organisationId } })
  if (row === null || row.ringState !== 'waiting' || row.revokedAt !== null || row.lockedAt !== null) return
  const genesis = GenesisRecord.parse(row.genesis)
  const { genesisHash } = row
  const placement = placeInRing(cluster && ringOf(cluster), { nodeKey, nodeId, genesis, records: [] }, nowMs)
  if (placement.kind === 'appoint') await appoint(tx, { organisationId, nodeKey, genesis, genesisHash, nowMs })
}

export const mayBeFounded = (cluster: Cluster | null, nowMs: number): boolean => cluster === null || isLapsed(ringOf(cluster), nowMs)

/** The ring's part of a poll's answer; null: this machine has nothing to do with a ring. `isNews`: it has not all records yet. */
export async function ringNews(
  db: Database,
  at: { row: CloudNode; cluster: Cluster; rendezvous: boolean },
  relay: RelayCursor,
): Promise<Pick<PollNews, 'ring' | 'waiting'>> {
  const { row, cluster, rendezvous } = at
  const { organisationId } = cluster
  const now = cursorOf(cluster)
  const after = relayAfter(relay, now)
  const records =
    after === null
      ? []
      : await db.clusterRecord.findMany({
          where: { organisationId, position: { gt: after, lte: now.position } },
          orderBy: { position: 'asc' },
          take: RELAY_PAGE_MAX,
        })
  const begin = after ?? now.position
  const position = begin + records.length
  const ring = ringOf(cluster)
  return {
    ring: {
      place: { role: ring.founderKey === row.nodeKey ? 'founder' : 'member', ring },
      admitted: row.ringState === 'in',
      rendezvous,
      after: begin,
      position,
      records: records.map((one) => RosterRecord.parse(one.record)),
      more: position < now.position,
      digest: now.digest,
    },
    // A founder that has not confirmed lets nobody in: its ring may yet not be the organisation's.
    ...(row.ringState === 'in' && ring.confirmedAtMs !== null ? { waiting: await waitingMachines(db, organisationId) } : {}),
  }
}

export const hasAllRecords = (cluster: Cluster, relay: RelayCursor): boolean => relayAfter(relay, cursorOf(cluster)) === null

async function waitingMachines(db: Database, organisationId: string): Promise<KeptIntent[]> {
  const rows = await db.cloudNode.findMany({
    where: { organisationId, ringState: 'waiting', revokedAt: null, lockedAt: null },
    orderBy: { lastContactAt: 'desc' },
    take: JOIN_INTENTS_MAX,
    select: { joinIntent: true },
  })
  // Written by `placeComer` alone.
  return rows.flatMap(({ joinIntent }) => (joinIntent === null ? [] : [joinIntent as unknown as KeptIntent]))
}

/** Confirms the founding, and keeps what is new and sound of the records. Nothing is locked when there is nothing to do. */
export async function takeReport(
  db: Database,
  node: NodeRecord,
  report: { ring: NonNullable<ReportRequest['ring']>; nowMs: number; transaction: { maxWait: number; timeout: number } },
): Promise<void> {
  const { organisationId, nodeKey } = node
  const { genesisHash, records } = report.ring
  const now = await db.cluster.findUnique({ where: { organisationId } })
  if (now?.genesisHash !== genesisHash) return
  const ids = new Set(records.map(recordId))
  const kept = ids.size === 0 ? 0 : await db.clusterRecord.count({ where: { organisationId, recordId: { in: [...ids] } } })
  const isConfirming = confirms(ringOf(now), { nodeKey, genesisHash })
  if (kept === ids.size && !isConfirming) return
  const failed = await FRUITLESS.get(organisationId)
  if (!isConfirming && failed !== null && failed.consumedPoints >= FRUITLESS.points) return
  const isFruitful = await db.$transaction((tx) => takeLocked(tx, node, report), report.transaction)
  if (!isFruitful) await FRUITLESS.penalty(organisationId, 1)
}

async function takeLocked(
  tx: Transaction,
  node: NodeRecord,
  { ring: came, nowMs }: { ring: NonNullable<ReportRequest['ring']>; nowMs: number },
): Promise<boolean> {
  const { organisationId, nodeKey } = node
  await lockOrganisation(tx, organisationId)
  const cluster = await tx.cluster.findUnique({ where: { organisationId } })
  if (cluster?.genesisHash !== came.genesisHash) return false
  const isConfirmed = confirms(ringOf(cluster), { nodeKey, genesisHash: came.genesisHash })
  if (isConfirmed) {
    await tx.cluster.update({ where: { organisationId }, data: { confirmedAt: new Date(nowMs) } })
    await writeAudit(tx, { organisationId, actor: `node:${node.nodeId}`, action: 'ring.founded', subject: cluster.clusterId, atMs: nowMs })
  }
  return await keepRecords(tx, cluster, { records: came.records, isConfirmed, nowMs })
}

/** Those that are new and sound. False: there was nothing to do. */
async function keepRecords(
  tx: Transaction,
  cluster: Cluster,
  { records, isConfirmed = false, nowMs }: { records: readonly RosterRecord[]; isConfirmed?: boolean; nowMs: number },
): Promise<boolean> {
  const { organisationId } = cluster
  const kept = await keptRecords(tx, cluster)
  const { taken, roster } = takeRecords(kept, records)
  if (!isConfirmed && taken.length === 0) return false
  const ids = taken.map(recordId)
  const { position, digest } = relayOn(cursorOf(cluster), ids)
  await tx.cluster.update({ where: { organisationId }, data: { position, digest } })
  await tx.clusterRecord.createMany({
    data: taken.map((record, index) => ({
      organisationId,
      position: cluster.position + index + 1,
      recordId: ids[index] ?? '',
      record: json(record),
    })),
  })
  await followKeys(tx, cluster, { roster, records: [...kept, ...taken] })
  await settleMembers(tx, cluster, { roster, nowMs })
  await notifyRing(tx, organisationId, 'all')
  return true
}

/**
 * A machine that replaced its key goes on here under the new one from that key's first use on, by the ring's own signed records; the old key is a
 * stranger's then (THREATS 7). A key that has a row already keeps it.
 */
async function followKeys(
  tx: Transaction,
  { organisationId }: Cluster,
  { roster, records }: { roster: Roster; records: readonly RosterRecord[] },
): Promise<void> {
  const successor = new Map(records.flatMap(({ body }) => (body.kind === 'rekey' ? [[`${body.nodeId} ${body.oldKey}`, body.newKey]] : [])))
  if (successor.size === 0) return
  const rows = await tx.cloudNode.findMany({
    where: { organisationId, ringState: 'in' },
    select: { id: true, nodeId: true, nodeKey: true },
  })
  for (const { id, nodeId, nodeKey: oldKey } of rows) {
    let newKey: string | undefined = oldKey
    // A key may have been replaced several times since; each step leads to another record, so it ends.
    for (let step = 0; newKey !== undefined && !roster.byKey.has(newKey) && step < successor.size; step += 1) {
      newKey = successor.get(`${nodeId} ${newKey}`)
    }
    if (newKey === undefined || newKey === oldKey || roster.byKey.get(newKey)?.nodeId !== nodeId) continue
    if ((await tx.cloudNode.count({ where: { nodeKey: newKey } })) > 0) continue
    await moveKey(tx, { id, organisationId, oldKey, newKey })
  }
}

/** Wherever the old key stood, so that a token redeemed under it was redeemed by the new one's machine. */
async function moveKey(tx: Transaction, at: { id: string; organisationId: string; oldKey: string; newKey: string }): Promise<void> {
  const { id, organisationId, oldKey, newKey } = at
  await tx.cloudNode.update({ where: { id }, data: { nodeKey: newKey } })
  await tx.joinRedemption.updateMany({ where: { nodeKey: oldKey }, data: { nodeKey: newKey } })
  await tx.cluster.updateMany({ where: { organisationId, founderKey: oldKey }, data: { founderKey: newKey } })
}

/** What `ControlStore.replaceKey` says; the caller holds a transaction, and has seen that the old key introduced the new one. */
export async function replaceKey(
  tx: Transaction,
  { oldKey, newKey }: { oldKey: string; newKey: string },
  { records, nowMs }: { records: readonly RosterRecord[]; nowMs: number },
): Promise<boolean> {
  const found = await tx.cloudNode.findUnique({ where: { nodeKey: oldKey }, select: { organisationId: true } })
  if (found === null) return false
  const { organisationId } = found
  await lockOrganisation(tx, organisationId)
  const row = await tx.cloudNode.findUnique({ where: { nodeKey: oldKey } })
  if (row === null || row.revokedAt !== null || row.lockedAt !== null) return false
  if ((await tx.cloudNode.count({ where: { nodeKey: newKey } })) > 0) return false
  await moveKey(tx, { id: row.id, organisationId, oldKey, newKey })
  const cluster = await tx.cluster.findUnique({ where: { organisationId } })
  // Else the ring's roster as it is kept here would not know this machine until somebody reports.
  if (cluster !== null) await keepRecords(tx, cluster, { records, nowMs })
  return true
}

/** Each machine's row as the roster now has it. */
async function settleMembers(tx: Transaction, cluster: Cluster, { roster, nowMs }: { roster: Roster; nowMs: number }): Promise<void> {
  const { organisationId, founderKey, clusterId } = cluster
  const keys = [...roster.byKey.keys()]
  const removed = [...roster.removed.keys()]
  // A machine that brought a ring with others is in it by its own word until its admission has come.
  const changed = await tx.$queryRaw<{ nodeId: string; before: RingState | null; state: RingState }[]>`WITH judged AS (
      SELECT id, "ringState" AS before,
        "nodeKey" = ANY(${keys}) OR ("nodeKey" = ${founderKey} AND NOT "nodeId" = ANY(${removed})) AS is_in
      FROM cloud_nodes WHERE "organisationId" = ${organisationId}::uuid)
    UPDATE cloud_nodes AS node
    SET "ringState" = CASE WHEN is_in THEN 'in' ELSE 'out' END, "joinIntent" = CASE WHEN is_in THEN NULL ELSE node."joinIntent" END
    FROM judged
    WHERE node.id = judged.id
      AND CASE WHEN is_in THEN before IS DISTINCT FROM 'in' OR node."joinIntent" IS NOT NULL ELSE before = 'in' END
    RETURNING node."nodeId", before, node."ringState" AS state`
  for (const { nodeId, before, state } of changed) {
    if (before === state) continue
    const action = state === 'in' ? 'ring.joined' : 'ring.left'
    await writeAudit(tx, { organisationId, actor: `node:${nodeId}`, action, subject: clusterId, atMs: nowMs })
  }
}
