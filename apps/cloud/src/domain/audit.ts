import type { Database } from '@thatdam/db/client'
import type { Prisma } from '@thatdam/db/generated/client'

export interface AuditEntry {
  organisationId: string | null
  /** `user:<id>`, `node:<node id>` or `stranger`. */
  actor: string
  /** One of those that activity-words.ts has a sentence for, or `join.stranger`, which belongs to no organisation. */
  action: string
  /** What it was done to. */
  subject: string
  /** Plain words, no secrets. */
  detail?: string
  /** Other end of the connection; left out for what this server does by itself. */
  address?: string | null
  atMs?: number
}

/** Pass the transaction's client, so that the event stands or falls with what it tells. */
export async function writeAudit(db: Pick<Database, 'auditEvent'>, { atMs, address, detail = '', ...entry }: AuditEntry): Promise<void> {
  await db.auditEvent.create({
    data: {
      ...entry,
      detail: detail.slice(0, 1000),
      address: address ?? null,
      ...(atMs === undefined ? {} : { at: new Date(atMs) }),
    },
  })
}

/** Who did something, where, and in which organisation. `address` null: this server itself. */
export interface Actor {
  id: string
  organisationId: string
  address: string | null
}

export async function tellOf(
  db: Database | Prisma.TransactionClient,
  { id, organisationId, address }: Actor,
  what: { action: string; subject: string; detail?: string },
): Promise<void> {
  await writeAudit(db, { organisationId, actor: `user:${id}`, address, ...what })
}

export const AUDIT_KEPT_DAYS = 180
const BATCH_ROWS = 1_000

/** Deletes what is older than half a year, a thousand rows at a time, so that nobody waits for it. @returns how many went. */
export async function pruneAudit(db: Pick<Database, '$executeRaw'>, nowMs: number): Promise<number> {
  const oldest = new Date(nowMs - AUDIT_KEPT_DAYS * 86_400_000)
  for (let total = 0; ;) {
    const gone = await db.$executeRaw`DELETE FROM audit_events
      WHERE id IN (SELECT id FROM audit_events WHERE at < ${oldest} ORDER BY at LIMIT ${BATCH_ROWS})`
    total += gone
    if (gone < BATCH_ROWS) return total
  }
}
