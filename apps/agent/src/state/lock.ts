import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { ThatdamError } from '@thatdam/protocol/errors'
import type { StatePaths } from './paths.ts'

export interface Lock {
  release(): void
}

/**
 * One agent per state directory. `agent.lock` is an empty SQLite database held in an exclusive transaction: the system itself lets go of
 * that lock when the process ends, however it ends, so a lock can neither be stale nor be taken twice. `agent.pid` is only for people.
 * @throws ThatdamError CONFLICT that names the other agent's process.
 */
export function takeLock(paths: StatePaths): Lock {
  const database = new DatabaseSync(paths.lock, { timeout: 0 })
  try {
    database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE')
  } catch (error) {
    database.close()
    if (!/locked|busy/i.test(String(error))) {
      throw new ThatdamError(
        'INTERNAL',
        `The lock file ${paths.lock} cannot be used (${error instanceof Error ? error.message : String(error)}). When no agent runs, remove that file and try again.`,
        { cause: error },
      )
    }
    throw new ThatdamError(
      'CONFLICT',
      `Another agent${holder(paths)} already runs with the state directory ${paths.stateDir}. Stop it first, or set STATE_DIR to another folder.`,
      { cause: error },
    )
  }
  writeFileSync(paths.pid, `${process.pid}\n`, { mode: 0o600 })
  return {
    release: () => {
      rmSync(paths.pid, { force: true })
      database.close()
    },
  }
}

function holder(paths: StatePaths): string {
  try {
    return ` (process ${readFileSync(paths.pid, 'utf8').trim()})`
  } catch {
    return ''
  }
}
