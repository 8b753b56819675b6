import type { Database } from '@thatdam/db/client'

export interface AuditEntry {
  organisationId: string | null
  /** `user:<id>`, `node:<node id>` or `stranger`. */
  actor: string
  /** `token.made`, `node.removed`, `join.refused` … */
  action: string
  /** What it was done to. */
  subject: string
  /** Plain words, no secrets. */
  detail: string
  address?: string | null
  atMs?: number
}

export type AuditWriter = Pick<Database, 'auditEvent'>

/** Pass the transaction's client, so that the event stands or falls with what it tells. */
export async function writeAudit(db: AuditWriter, { atMs, address, ...entry }: AuditEntry): Promise<void> {
  await db.auditEvent.create({
    data: {
      ...entry,
      detail: entry.detail.slice(0, 1000),
      address: address ?? null,
      ...(atMs === undefined ? {} : { at: new Date(atMs) }),
    },
  })
}

const KEEP_MS = 180 * 86_400_000

/** At start: what is older than half a year goes. */
export async function pruneAudit(db: AuditWriter, nowMs: number): Promise<void> {
  await db.auditEvent.deleteMany({ where: { at: { lt: new Date(nowMs - KEEP_MS) } } })
}
