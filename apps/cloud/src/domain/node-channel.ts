import type { Prisma } from '@thatdam/db/generated/client'

export const NODE_CHANNEL = 'cloud_nodes'

/** In the transaction that changes the row: wakes the node's held poll, in whichever replica it is, when the change is committed. */
export async function notifyNode(tx: Prisma.TransactionClient, rowId: string): Promise<void> {
  await tx.$executeRaw`SELECT pg_notify(${NODE_CHANNEL}, ${rowId})`
}
