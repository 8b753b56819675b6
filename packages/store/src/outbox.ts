import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { OpBody } from '@thatdam/protocol/ops'

/**
 * Ops that wait for the agent's log. A body is added in the transaction that writes what it tells about, and removed once the agent
 * acknowledged it: a process killed between appends it again, and every op of an indexer says the same when told twice.
 */
export class Outbox {
  private readonly insert: StatementSync
  private readonly select: StatementSync
  private readonly remove: StatementSync
  private readonly count: StatementSync

  constructor(db: DatabaseSync) {
    this.insert = db.prepare('INSERT INTO outbox (body) VALUES (?)')
    this.select = db.prepare('SELECT id, body FROM outbox ORDER BY id LIMIT ?')
    this.remove = db.prepare('DELETE FROM outbox WHERE id <= ?')
    this.count = db.prepare('SELECT count(*) AS n FROM outbox')
  }

  add(body: OpBody): void {
    this.insert.run(JSON.stringify(body))
  }

  /** The oldest, in order. */
  peek(limit: number): { readonly bodies: readonly OpBody[]; readonly lastId: number } {
    const rows = this.select.all(limit) as { id: number; body: string }[]
    return { bodies: rows.map((row) => OpBody.parse(JSON.parse(row.body))), lastId: rows.at(-1)?.id ?? 0 }
  }

  acknowledge(lastId: number): void {
    this.remove.run(lastId)
  }

  size(): number {
    return (this.count.get() as { n: number }).n
  }
}
