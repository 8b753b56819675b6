import type { Database } from '@thatdam/db/client'
import { isAlarming, sentenceOf } from './activity-words.ts'

const PAGE_ROWS = 50

export interface ActivityEntry {
  id: string
  atMs: number
  what: string
  /** The person's e-mail address; null when the sentence names who did it, or nobody proved who they are. */
  who: string | null
  /** Other end of the connection; null for what this server did by itself. */
  address: string | null
  /** A refusal or a lock. */
  alarming: boolean
}
export interface ActivityPage {
  /** Newest first. */
  entries: ActivityEntry[]
  /** Give it as `before` for what is older; null at the end. */
  older: string | null
}

/** The audit log as its owner reads it. */
export class Activity {
  readonly #db: Database
  constructor(db: Database) {
    this.#db = db
  }

  /** Rows of this organisation alone, below the row `before` (exclusive): a row of another organisation is only a number there. */
  async page(organisationId: string, before: bigint | null): Promise<ActivityPage> {
    const rows = await this.#db.auditEvent.findMany({
      where: { organisationId, ...(before === null ? {} : { id: { lt: before } }) },
      orderBy: { id: 'desc' },
      take: PAGE_ROWS + 1,
    })
    const shown = rows.slice(0, PAGE_ROWS)
    const emails = await this.#emails(shown.map((row) => row.actor))
    const entries = shown.map((row) => ({
      id: String(row.id),
      atMs: row.at.getTime(),
      what: sentenceOf(row),
      who: whoOf(row, emails),
      address: row.address?.replace(/^::ffff:/, '') ?? null,
      alarming: isAlarming(row.action),
    }))
    return { entries, older: rows.length > PAGE_ROWS ? (entries.at(-1)?.id ?? null) : null }
  }

  async #emails(actors: readonly string[]): Promise<Map<string, string>> {
    const ids = [...new Set(actors.filter((actor) => actor.startsWith('user:')).map((actor) => actor.slice('user:'.length)))]
    const users = await this.#db.user.findMany({ where: { id: { in: ids } }, select: { id: true, email: true } })
    return new Map(users.map(({ id, email }) => [`user:${id}`, email]))
  }
}

function whoOf({ actor, subject }: { actor: string; subject: string }, emails: ReadonlyMap<string, string>): string | null {
  if (!actor.startsWith('user:')) return null
  const email = emails.get(actor) ?? 'a former account'
  return email === subject ? null : email
}
