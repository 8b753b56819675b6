import type { LeftAnnouncement, MeetOutcome, NodeRecord } from '@thatdam/control/store'
import type { Database } from '@thatdam/db/client'
import { RENDEZVOUS_MAX } from '@thatdam/protocol/rendezvous'

/** One row a machine, and only while its owner allows it; what has expired goes with the next machine of the ring that comes. */
export async function meetAt(
  db: Database,
  { node, left, nowMs }: { node: NodeRecord; left: LeftAnnouncement | null; nowMs: number },
): Promise<MeetOutcome> {
  const { id: nodeRowId, organisationId } = node
  const [organisation, row] = await Promise.all([
    db.organisation.findUniqueOrThrow({
      where: { id: organisationId },
      select: { rendezvous: true, cluster: { select: { genesisHash: true } } },
    }),
    db.cloudNode.findUnique({ where: { id: nodeRowId }, select: { ringState: true } }),
  ])
  if (!organisation.rendezvous) return { kind: 'off' }
  if (row?.ringState !== 'in' || (left !== null && left.fingerprint !== organisation.cluster?.genesisHash)) return { kind: 'outside' }
  const now = new Date(nowMs)
  await db.rendezvous.deleteMany({ where: { organisationId, expiresAt: { lte: now } } })
  if (left !== null) {
    const data = { announcement: left.text, leftAt: now, expiresAt: new Date(left.expiresAtMs) }
    await db.rendezvous.upsert({ where: { nodeRowId }, create: { ...data, nodeRowId, organisationId }, update: data })
  }
  const others = await db.rendezvous.findMany({
    where: { organisationId, nodeRowId: { not: nodeRowId }, node: { ringState: 'in', revokedAt: null, lockedAt: null } },
    orderBy: { leftAt: 'desc' },
    take: RENDEZVOUS_MAX,
    select: { announcement: true, leftAt: true },
  })
  return { kind: 'met', others: others.map(({ announcement, leftAt }) => ({ text: announcement, leftAtMs: leftAt.getTime() })) }
}
