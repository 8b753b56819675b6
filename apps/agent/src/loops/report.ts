import { isDeepStrictEqual } from 'node:util'
import type { ReportRequest } from '@thatdam/protocol/poll'
import { Backoff, sleep } from '../backoff.ts'
import type { Cloud } from '../cloud/cloud.ts'
import type { Version } from '../state/version.ts'

const INTERVAL_MS = 60_000
/** Changes are told together, at most once in this time. */
const COALESCE_MS = 1_000
const CALL_LIMIT_MS = 20_000

export interface ReportPorts {
  readonly cloud: Cloud
  readonly version: Version
  /** Resolves once there is something to tell: facts are gathered, the plan is made. */
  readonly ready: Promise<unknown>
  readonly compose: () => ReportRequest
  /** A report is due when this is another value than with the last one, though it says the same: the cloud asked for one. */
  readonly occasion: () => number | null
  /** The cloud took it. */
  readonly onTaken: (report: ReportRequest) => Promise<void>
  readonly onFailure: (error: unknown) => void
}

/** Tells the cloud what this node is and does: at start, on change, and every 60 s with jitter. */
export async function reportLoop(ports: ReportPorts, signal: AbortSignal): Promise<void> {
  const backoff = new Backoff()
  let told: object | null = null
  let nextMs = 0
  await ports.ready
  while (!signal.aborted) {
    const seen = ports.version.value
    const report = ports.compose()
    const matters = { ...whatMatters(report), occasion: ports.occasion() }
    const hasRecords = (report.ring?.records.length ?? 0) > 0
    const due = Date.now() >= nextMs || hasRecords || !isDeepStrictEqual(matters, told)
    if (due) {
      try {
        await ports.cloud.call({ method: 'POST', path: '/agent/v1/report', body: report, timeoutMs: CALL_LIMIT_MS, signal })
        await ports.onTaken(report)
        told = matters
        nextMs = Date.now() + INTERVAL_MS * (0.9 + Math.random() * 0.2)
        backoff.reset()
      } catch (error) {
        if (signal.aborted) return
        ports.cloud.failed(error)
        ports.onFailure(error)
        await sleep(backoff.nextMs(), signal)
        continue
      }
    }
    await sleep(COALESCE_MS, signal)
    await ports.version.waitNewer(seen, Math.max(0, nextMs - Date.now()), signal)
  }
}

/** What is worth a report of its own: not the free bytes and counts that move all the time. */
function whatMatters(report: ReportRequest): object {
  const { sentAtMs: _sent, counts: _counts, facts, ring, ...rest } = report
  const { stores: _stores, battery: _battery, ...steady } = facts
  return structuredClone({ ...rest, facts: steady, ring: ring?.genesisHash })
}
