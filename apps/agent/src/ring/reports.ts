import { readJson } from '@thatdam/control/http-io'
import type { Member } from '@thatdam/control/roster'
import { ThatdamError } from '@thatdam/protocol/errors'
import { MemberReport } from '@thatdam/protocol/member'
import { Backoff, sleep } from '../backoff.ts'
import type { NodeClient } from '../link/client.ts'
import { memberOf, type NodeRoute } from '../link/server.ts'
import type { Version } from '../state/version.ts'
import { parseBody } from './body.ts'

const REPORT_BYTES_MAX = 1024 * 1024
const REPORT_MS_MAX = 5_000
/** Changes are told together, at most so often; how far work is a little less often; and without any, so that the leader knows that nothing changed. */
const COALESCE_MS = 500
const WORK_MS = 2_000
const QUIET_MS = 20_000
/** Free bytes, and the rate of a camera that nobody records: nothing waits for them. */
const FIGURES_MS = 10_000

export interface KnownReport {
  readonly report: MemberReport
  /** By the monotonic clock. */
  readonly receivedAtMs: number
}

/** What members told the leader last. Every node takes reports: a member may know of a new leader before that one does. */
export class Reports {
  private readonly known = new Map<string, KnownReport>()
  private readonly changed: () => void

  constructor(changed: () => void) {
    this.changed = changed
  }

  of(nodeId: string): KnownReport | null {
    return this.known.get(nodeId) ?? null
  }

  keepOnly(members: ReadonlySet<string>): void {
    for (const nodeId of this.known.keys()) if (!members.has(nodeId)) this.known.delete(nodeId)
  }

  route(): NodeRoute {
    return {
      method: 'POST',
      path: '/v1/report',
      run: async (call) => {
        const { nodeId } = memberOf(call)
        const report = parseBody(MemberReport, await readJson(call.request, REPORT_BYTES_MAX))
        if (report.nodeId !== nodeId) throw new ThatdamError('FORBIDDEN', `${nodeId} cannot report for ${report.nodeId}.`)
        this.known.set(nodeId, { report, receivedAtMs: performance.now() })
        this.changed()
        return { status: 204, body: null }
      },
    }
  }
}

/** What is worth telling at once: not the bytes and fragments that grow all the time. */
function weighty({
  sentAtMs: _sentAtMs,
  counts: _counts,
  store: _store,
  index: _index,
  derive: _derive,
  cameras,
  captures,
  door,
  ...rest
}: MemberReport): string {
  const live = cameras.map(({ camera, state, reason, viewers }) => [camera.cameraId, camera.name, state, reason, viewers])
  const recorded = captures.map(({ captureId, state, reason, gaps, sha256 }) => [captureId, state, reason, gaps, sha256])
  const waiting = door?.waiting.map(({ publicKey, asks }) => [publicKey, asks])
  const adopted = door?.adoptions.map(({ expiresAtMs: _expiresAtMs, ...told }) => told)
  return JSON.stringify([rest, live, recorded, waiting, adopted])
}

/** How far recordings, the indexer and the deriver are. */
const workOf = ({ captures, index, derive, counts }: MemberReport): string => JSON.stringify([captures, index, derive, counts])

export interface ReportingPorts {
  readonly client: () => Pick<NodeClient, 'call'>
  readonly version: Version
  /** Null: this node leads, or nobody does. */
  readonly leader: () => Member | null
  readonly compose: () => MemberReport
}

/** Tells the leader what this node does: at once when a part of it or the leader is another, every two seconds while it works, else seldom. */
export async function reportToLeader(ports: ReportingPorts, signal: AbortSignal): Promise<void> {
  const backoff = new Backoff(250, 5_000)
  let told = { text: '', work: '', atMs: -Infinity, version: -1 }
  while (!signal.aborted) {
    const version = ports.version.value
    const leader = ports.leader()
    const report = leader === null ? null : ports.compose()
    const text = report === null || leader === null ? '' : `${leader.nodeId} ${weighty(report)}`
    const work = report === null ? '' : workOf(report)
    const ageMs = performance.now() - told.atMs
    const freshMs = work !== told.work ? WORK_MS : version !== told.version ? FIGURES_MS : QUIET_MS
    const isDue = text !== told.text || ageMs >= freshMs
    if (leader !== null && report !== null && isDue) {
      const { publicKey } = leader
      const sent = ports.client().call({ publicKey, method: 'POST', path: '/v1/report', body: report, timeoutMs: REPORT_MS_MAX, signal })
      const isTaken = await sent.then(
        () => true,
        () => false,
      )
      if (!isTaken) {
        // The leader is going, or another one comes: the next round sees it.
        await sleep(backoff.nextMs(), signal)
        continue
      }
      told = { text, work, atMs: performance.now(), version }
      backoff.reset()
    }
    await ports.version.waitNewer(version, Math.max(COALESCE_MS, isDue ? QUIET_MS : freshMs - ageMs), signal)
    await sleep(COALESCE_MS, signal)
  }
}
