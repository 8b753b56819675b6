import type { FoundedRing } from '@thatdam/control/founding'
import { keptRoster } from '@thatdam/control/relay'
import type { CloudNode, Cluster, Prisma } from '@thatdam/db/generated/client'
import { GenesisRecord, RosterRecord } from '@thatdam/protocol/roster'
import { notifyRing } from './node-channel.ts'

type Transaction = Prisma.TransactionClient
/** Where a machine stands, as its row says. */
export type RingState = 'waiting' | 'in' | 'out'

/**
 * Whoever changes a ring holds this; it is taken after a token's lock and before any machine's, so that nobody waits in a circle. Rows that refer to the
 * organisation may still be written meanwhile.
 */
export async function lockOrganisation(tx: Transaction, organisationId: string): Promise<void> {
  await tx.$queryRaw`SELECT 1 FROM organisations WHERE id = ${organisationId}::uuid FOR NO KEY UPDATE`
}

export function ringOf(row: Cluster): FoundedRing {
  return {
    genesis: GenesisRecord.parse(row.genesis),
    genesisHash: row.genesisHash,
    founderKey: row.founderKey,
    appointedAtMs: row.appointedAt.getTime(),
    confirmedAtMs: row.confirmedAt?.getTime() ?? null,
  }
}

/** All records of a ring, the genesis record first. At most RELAY_RECORDS_MAX. */
export async function keptRecords(tx: Pick<Transaction, 'clusterRecord'>, cluster: Cluster): Promise<RosterRecord[]> {
  const { organisationId } = cluster
  const rows = await tx.clusterRecord.findMany({ where: { organisationId }, orderBy: { position: 'asc' } })
  return [GenesisRecord.parse(cluster.genesis), ...rows.map(({ record }) => RosterRecord.parse(record))]
}

/**
 * After its owner removed a machine from the cloud. Was it the only one of the ring, the ring ends with it: whoever waits founds another. Else the ring
 * goes on, and only its admitters can take the machine out of it. The organisation's lock is held.
 */
export async function forgetMachine(tx: Transaction, node: Pick<CloudNode, 'organisationId' | 'nodeKey' | 'ringState'>): Promise<void> {
  const { organisationId, nodeKey } = node
  const cluster = await tx.cluster.findUnique({ where: { organisationId } })
  if (cluster === null || node.ringState === null) return
  if (node.ringState === 'in') {
    const { members } = keptRoster(await keptRecords(tx, cluster))
    const isAlone = [...members.values()].every((member) => member.keys.includes(nodeKey))
    if (isAlone && cluster.founderKey === nodeKey) await tx.cluster.delete({ where: { organisationId } })
  }
  await notifyRing(tx, organisationId, 'all')
}
