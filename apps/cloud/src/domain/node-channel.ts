import type { Prisma } from '@thatdam/db/generated/client'

export const NODE_CHANNEL = 'cloud_nodes'

/** In the transaction that changes the row: wakes the node's held poll, in whichever replica it is, when the change is committed. */
export async function notifyNode(tx: Prisma.TransactionClient, rowId: string): Promise<void> {
  await tx.$executeRaw`SELECT pg_notify(${NODE_CHANNEL}, ${rowId})`
}

/**
 * As `notifyNode`, for machines of one organisation's ring at once: `in` it, or those too that wait for it or were removed from it. Their revision
 * grows. The caller holds the organisation's lock, so that two of these never wait for each other.
 */
export async function notifyRing(tx: Prisma.TransactionClient, organisationId: string, whom: 'in' | 'all'): Promise<void> {
  await tx.$executeRaw`WITH changed AS (
      UPDATE cloud_nodes SET revision = revision + 1
      WHERE "organisationId" = ${organisationId}::uuid AND "revokedAt" IS NULL
        AND "ringState" = ANY(${whom === 'in' ? ['in'] : ['in', 'waiting', 'out']})
      RETURNING id)
    SELECT pg_notify(${NODE_CHANNEL}, id::text) FROM changed`
}
