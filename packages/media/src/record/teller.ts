import { setTimeout as delay } from 'node:timers/promises'
import type { OpBody } from '@thatdam/protocol/ops'
import { opsOfJournal, type Journal } from './journal.ts'

const RETRY_FIRST_MS = 500
const RETRY_LIMIT_MS = 30_000
const OPS_AT_ONCE = 500

/** Brings the ops that follow from a journal to the op-log, each at least once, in order; what was told is journalled. */
export class Teller {
  private readonly journal: Journal
  private readonly nodeId: string
  private readonly appendOps: (bodies: readonly OpBody[]) => Promise<unknown>
  private readonly signal: AbortSignal
  private running: Promise<void> | null = null
  private again = false

  constructor(
    journal: Journal,
    options: { nodeId: string; appendOps: (bodies: readonly OpBody[]) => Promise<unknown>; signal: AbortSignal },
  ) {
    this.journal = journal
    this.nodeId = options.nodeId
    this.appendOps = options.appendOps
    this.signal = options.signal
  }

  /** Resolves when the op-log has all that the journal says now, or stopping began. */
  tell(): Promise<void> {
    this.again = true
    this.running ??= this.work().finally(() => (this.running = null))
    return this.running
  }

  private async work(): Promise<void> {
    let waitMs = RETRY_FIRST_MS
    while (this.again && !this.signal.aborted) {
      this.again = false
      const untold = this.untold().slice(0, OPS_AT_ONCE)
      if (untold.length === 0) continue
      this.again = true
      try {
        await this.appendOps(untold.map(({ body }) => body))
        await this.journal.add({ type: 'told', keys: untold.map(({ key }) => key) }, { durable: true })
        waitMs = RETRY_FIRST_MS
      } catch (error) {
        console.error('ops of a recording are not in the op-log yet', error)
        await delay(waitMs, undefined, { signal: this.signal }).catch(() => {})
        waitMs = Math.min(RETRY_LIMIT_MS, waitMs * 2)
      }
    }
  }

  private untold(): { key: string; body: OpBody }[] {
    const told = new Set(this.journal.all('told').flatMap((entry) => entry.keys))
    return opsOfJournal(this.journal.entries, this.nodeId).filter(({ key }) => !told.has(key))
  }
}
