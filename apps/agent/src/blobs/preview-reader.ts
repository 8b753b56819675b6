import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import type { PreviewName } from '@thatdam/protocol/recipes'
import { RECIPE_NAMES } from '@thatdam/store/recipe-hash'

/**
 * Which blob is a source's preview, whoever made it: read by another process from the agent's `library.db` (library-index.ts). Only machines that carry
 * the library have that file; on others, and before it is there, nothing is known.
 */
export class PreviewReader {
  private readonly path: string
  private opened: { readonly db: DatabaseSync; readonly select: StatementSync } | null = null

  constructor(stateDir: string) {
    this.path = join(stateDir, 'library.db')
  }

  /** SHA-256 of the preview's blob, which need not be on this machine. Null: nobody told of one. */
  find(source: string, recipe: PreviewName): string | null {
    const number = RECIPE_NAMES.findIndex((name) => name === recipe)
    try {
      const row = this.statement()?.get(Buffer.from(source, 'hex'), number)
      const sha256 = row?.['sha256']
      return sha256 instanceof Uint8Array ? Buffer.from(sha256).toString('hex') : null
    } catch {
      // It was made anew, or is being: look again at the next question.
      this.close()
      return null
    }
  }

  close(): void {
    this.opened?.db.close()
    this.opened = null
  }

  private statement(): StatementSync | null {
    if (this.opened === null) {
      if (!existsSync(this.path)) return null
      const db = new DatabaseSync(this.path, { readOnly: true, timeout: 1_000 })
      this.opened = { db, select: db.prepare('SELECT sha256 FROM derived WHERE source = ? AND recipe = ?') }
    }
    return this.opened.select
  }
}
