import type { SignedBatch } from '@thatdam/protocol/ops'
import type { BatchFault } from '../batch.ts'
import type { ImportOutcome } from '../disk/import.ts'
import type { OpSyncPorts } from './ports.ts'

export type Intake = {
  next: number
  outcome: 'stored' | 'known' | 'gap' | 'faulty'
  fault: BatchFault | 'unknown-author' | 'wrong-log' | null
}

/** Between two batches other work of the agent gets its turn: a lease must not run out over an import. */
const othersTurn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0))

const logIdOf = ({ header }: SignedBatch): string => `${header.nodeId}/${header.epoch}`

/**
 * Takes batches of one log in, in order, and stops at the first that cannot be. What was taken in before it stays.
 * @param from who sent them; `logId`: the log they were asked of. @throws ThatdamError when the disk refuses.
 */
export async function takeIn(
  ports: Pick<OpSyncPorts, 'log' | 'author' | 'news'>,
  batches: readonly SignedBatch[],
  { from, logId }: { from: string; logId: string },
): Promise<Intake> {
  // A peer that has nothing of what it said it holds is not asked for it again before its next word.
  let last: Intake = { next: 1, outcome: 'faulty', fault: 'wrong-log' }
  for (const [index, batch] of batches.entries()) {
    if (index > 0) await othersTurn()
    last = takeOne(ports, batch, { from, logId })
    if (last.outcome === 'faulty' || last.outcome === 'gap') break
  }
  return last
}

function takeOne(
  { log, author, news }: Pick<OpSyncPorts, 'log' | 'author' | 'news'>,
  batch: SignedBatch,
  { from, logId }: { from: string; logId: string },
): Intake {
  const { nodeId, sequence, scope } = batch.header
  const next = sequence + 1
  const faulty = (fault: BatchFault | 'wrong-log'): Intake => {
    news({ kind: 'faulty-batch', logId, by: from, fault })
    return { next, outcome: 'faulty', fault }
  }
  if (logIdOf(batch) !== logId) return faulty('wrong-log')
  const by = author(nodeId, batch.signer)
  if (by === null) return author(nodeId) === null ? { next, outcome: 'faulty', fault: 'unknown-author' } : faulty('wrong-key')
  let outcome = log.importBatch(batch, by)
  if (outcome.kind === 'own-epoch') {
    log.beginEpoch(scope)
    news({ kind: 'restored', scope })
    outcome = log.importBatch(batch, by)
  }
  tell(outcome, { nodeId, logId, sequence }, news)
  if (outcome.kind === 'faulty') return faulty(outcome.fault)
  return { next, outcome: outcome.kind === 'own-epoch' ? 'faulty' : outcome.kind, fault: null }
}

function tell(outcome: ImportOutcome, at: { nodeId: string; logId: string; sequence: number }, news: OpSyncPorts['news']): void {
  if (outcome.kind !== 'stored') return
  const { nodeId, logId, sequence } = at
  if (outcome.fork) news({ kind: 'fork', logId, sequence })
  if (outcome.refused > 0) news({ kind: 'refused-ops', nodeId, count: outcome.refused })
  if (outcome.unknown > 0) news({ kind: 'newer-ops', nodeId })
  if (outcome.held > 0) news({ kind: 'held-ops', nodeId, count: outcome.held })
}
