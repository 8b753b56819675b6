import type { SessionStore } from '../gateway/session-store.ts'
import type { Log } from '../log.ts'
import { cameraNamesLoop } from '../loops/camera-names.ts'
import { sessionsLoop } from '../loops/sessions.ts'
import type { Loops } from '../loops/supervisor.ts'
import type { PlanApplier } from '../plan-applier.ts'
import type { Version } from '../state/version.ts'
import type { NodeFacts } from '@thatdam/protocol/facts'

/** A machine that was away hears of many ends at once: beyond these, whoever looks on begins again. */
const ENDS_MAX = 100

/** A live picture outlasts its request, and the browser may have asked for it at another machine: wherever its session ends, it ends here. */
export function endPictures(from: {
  readonly sessions: Pick<SessionStore, 'onEnded'>
  readonly applier: Pick<PlanApplier, 'view' | 'command'>
  readonly log: Pick<Log, 'warn'>
}): void {
  const { sessions, applier, log } = from
  const ended = new Set<string | null>()
  const tell = (): void => {
    const sessionIds = ended.has(null) || ended.size > ENDS_MAX ? [null] : [...ended]
    ended.clear()
    // When it does not run, it shows nothing.
    if (!applier.view('camera-proxy')?.url) return
    for (const sessionId of sessionIds) {
      applier
        .command('camera-proxy', 'end-session', { sessionId })
        .catch((error: unknown) => log.warn('the live pictures of a session that ended could not be ended', error))
    }
  }
  sessions.onEnded((sessionId) => {
    if (ended.size === 0) queueMicrotask(tell)
    ended.add(sessionId)
  })
}

/** What the camera service is told while it runs: which sessions ended, and what cameras are called. */
export function tellCameraService(from: {
  readonly loops: Loops
  readonly sessions: SessionStore
  readonly applier: PlanApplier
  readonly version: Version
  readonly facts: () => NodeFacts
  readonly log: Log
}): void {
  const { loops, sessions, applier, version, log } = from
  endPictures({ sessions, applier, log })
  loops.start('sessions', (signal) => sessionsLoop(sessions, signal))
  const names = () => Object.fromEntries(from.facts().cameras.map(({ cameraId, name }) => [cameraId, name]))
  const ports = {
    version,
    names,
    view: () => applier.view('camera-proxy'),
    tell: (params: Parameters<PlanApplier['command']>[2]) => applier.command('camera-proxy', 'names', params),
  }
  loops.start('camera names', (signal) => cameraNamesLoop(ports, signal))
}
