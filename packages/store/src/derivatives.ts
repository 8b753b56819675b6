import type { DatabaseSync, StatementSync } from 'node:sqlite'

export interface DerivativeJob {
  readonly source: string
  readonly kind: 'photo' | 'video' | 'audio'
  readonly mimeType: string
  readonly durationMs: number | null
  /** Recipes of this source that are still to be made. */
  readonly recipes: readonly { readonly recipe: string; readonly recipeHash: string }[]
}

const bytes = (hex: string): Buffer => Buffer.from(hex, 'hex')
const hex = (value: Uint8Array): string => Buffer.from(value).toString('hex')

/** The node's derivatives, and what is read of its sources: what is to be made, what was made, and what cannot be made and why. Written by the deriver alone. */
export class Derivatives {
  private readonly db: DatabaseSync
  private readonly selectMade: StatementSync
  private readonly setKnown: StatementSync
  private readonly insertPending: StatementSync
  private readonly setMade: StatementSync
  private readonly setFailed: StatementSync
  private readonly setState: StatementSync

  constructor(db: DatabaseSync) {
    this.db = db
    this.selectMade = db.prepare("SELECT sha256 FROM derivatives WHERE source = ? AND recipeHash = ? AND state = 'made'")
    this.insertPending = db.prepare(
      "INSERT OR IGNORE INTO derivatives (source, recipeHash, recipe, state, kind, mimeType, durationMs) VALUES (?, ?, ?, 'pending', ?, ?, ?)",
    )
    this.setKnown = db.prepare("UPDATE derivatives SET kind = ?, mimeType = ?, durationMs = ? WHERE source = ? AND kind <> ''")
    this.setMade = db.prepare(
      `INSERT INTO derivatives (source, recipeHash, recipe, state, kind, mimeType, sha256) VALUES (?, ?, ?, 'made', '', '', ?)
       ON CONFLICT (source, recipeHash) DO UPDATE SET state = 'made', sha256 = excluded.sha256, reason = NULL`,
    )
    this.setFailed = db.prepare(
      `INSERT INTO derivatives (source, recipeHash, recipe, state, kind, mimeType, reason) VALUES (?, ?, ?, 'failed', '', '', ?)
       ON CONFLICT (source, recipeHash) DO UPDATE SET state = 'failed', reason = excluded.reason WHERE state <> 'made'`,
    )
    this.setState = db.prepare('UPDATE derivatives SET state = ? WHERE source = ? AND state = ?')
  }

  /** SHA-256 of the derivative's blob; null while it is not made, and for one without a blob. */
  find(source: string, recipeHash: string): string | null {
    const row = this.selectMade.get(bytes(source), bytes(recipeHash)) as { sha256: Uint8Array | null } | undefined
    return row?.sha256 ? hex(row.sha256) : null
  }

  has(source: string, recipeHash: string): boolean {
    return this.selectMade.get(bytes(source), bytes(recipeHash)) !== undefined
  }

  want(job: Omit<DerivativeJob, 'recipes'>, recipe: string, recipeHash: string): void {
    this.insertPending.run(bytes(job.source), bytes(recipeHash), recipe, job.kind, job.mimeType, job.durationMs)
  }

  /** More is known of a source than when it was wanted: what is still to be made of it is made by that. */
  describe({ source, kind, mimeType, durationMs }: Omit<DerivativeJob, 'recipes'>): void {
    this.setKnown.run(kind, mimeType, durationMs, bytes(source))
  }

  /** `sha256`: null where what was made is told in the op-log alone. */
  made(source: string, recipe: string, recipeHash: string, sha256: string | null): void {
    this.setMade.run(bytes(source), bytes(recipeHash), recipe, sha256 === null ? null : bytes(sha256))
  }

  failed(source: string, recipe: string, recipeHash: string, reason: string): void {
    this.setFailed.run(bytes(source), bytes(recipeHash), recipe, reason)
  }

  /** The source has no place on this node now, or a tool is missing: not tried again until `back`. */
  away(source: string): void {
    this.setState.run('away', bytes(source), 'pending')
  }

  back(source: string): void {
    this.setState.run('pending', bytes(source), 'away')
  }

  /** At start: tools or places may be there now. */
  allBack(): void {
    this.db.exec("UPDATE derivatives SET state = 'pending' WHERE state = 'away'")
  }

  /** Tries what failed once more. Returns how many. */
  retryFailed(): number {
    return Number(
      this.db.prepare("UPDATE derivatives SET state = 'pending', reason = NULL WHERE state = 'failed' AND kind <> ''").run().changes,
    )
  }

  /** Makes a blob's derivative wanted again: its bytes were lost or damaged. */
  lost(sha256: string): number {
    return Number(
      this.db.prepare("UPDATE derivatives SET state = 'pending', sha256 = NULL WHERE sha256 = ? AND kind <> ''").run(bytes(sha256)).changes,
    )
  }

  /** Sources with work to do, at most `limit`, without those in `exclude` (being worked on). */
  next(limit: number, exclude: ReadonlySet<string>): DerivativeJob[] {
    const rows = this.db
      .prepare(
        `SELECT source, recipeHash, recipe, kind, mimeType, durationMs FROM derivatives WHERE state = 'pending' AND kind <> ''
         ORDER BY source LIMIT ?`,
      )
      .all((limit + exclude.size) * 8) as {
      source: Uint8Array
      recipeHash: Uint8Array
      recipe: string
      kind: DerivativeJob['kind']
      mimeType: string
      durationMs: number | null
    }[]
    const jobs = new Map<string, DerivativeJob & { recipes: { recipe: string; recipeHash: string }[] }>()
    for (const row of rows) {
      const source = hex(row.source)
      if (exclude.has(source)) continue
      const job = jobs.get(source) ?? { source, kind: row.kind, mimeType: row.mimeType, durationMs: row.durationMs, recipes: [] }
      job.recipes.push({ recipe: row.recipe, recipeHash: hex(row.recipeHash) })
      jobs.set(source, job)
    }
    return [...jobs.values()].slice(0, limit)
  }

  counts(): { readonly made: number; readonly pending: number; readonly away: number; readonly failed: number } {
    const counts = { made: 0, pending: 0, away: 0, failed: 0 }
    const rows = this.db.prepare('SELECT state, count(*) AS n FROM derivatives GROUP BY state').all() as {
      state: keyof typeof counts
      n: number
    }[]
    for (const row of rows) counts[row.state] = row.n
    return counts
  }
}
