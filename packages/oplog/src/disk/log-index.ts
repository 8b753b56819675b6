import type { LogSummary } from '@thatdam/protocol/op-sync'
import type { BatchHeader } from '@thatdam/protocol/ops'
import { batchHash } from '../batch.ts'
import type { Statements } from './statements.ts'

/** What is held of each log, kept in memory: it is told every other second, and a count over all batches is slow. */
export class LogIndex {
  readonly #byId = new Map<string, LogSummary>()

  constructor(statements: Statements) {
    for (const row of statements.logs.all()) {
      const [sequence = '', head = ''] = String(row['top']).split(' ')
      const logId = `${String(row['node'])}/${String(row['epoch'])}`
      const scope = row['scope'] === 'ring' ? 'ring' : 'library'
      this.#byId.set(logId, { logId, scope, sequence: Number(sequence), batches: Number(row['batches']), head })
    }
  }

  get size(): number {
    return this.#byId.size
  }

  get(logId: string): LogSummary | undefined {
    return this.#byId.get(logId)
  }

  /** In order of their ids. */
  all(): LogSummary[] {
    return [...this.#byId.values()].toSorted((a, b) => (a.logId < b.logId ? -1 : 1))
  }

  /** A batch was committed. */
  add(header: BatchHeader): void {
    const { nodeId, epoch, scope, sequence } = header
    const hash = batchHash(header)
    const logId = `${nodeId}/${epoch}`
    const before = this.#byId.get(logId) ?? { logId, scope, sequence: 0, batches: 0, head: '' }
    const isNewest = sequence > before.sequence || (sequence === before.sequence && hash > before.head)
    this.#byId.set(logId, {
      logId,
      scope: before.scope === 'ring' ? 'ring' : scope,
      sequence: Math.max(before.sequence, sequence),
      batches: before.batches + 1,
      head: isNewest ? hash : before.head,
    })
  }
}
