import type { SessionStore } from '../gateway/session-store.ts'
import type { Log } from '../log.ts'
import { cameraNamesLoop } from '../loops/camera-names.ts'
import { sessionsLoop } from '../loops/sessions.ts'
import type { Loops } from '../loops/supervisor.ts'
import type { PlanApplier } from '../plan-applier.ts'
import type { Version } from '../state/version.ts'
import type { NodeFacts } from '@thatdam/protocol/facts'

/** What the camera service is told while it runs: which sessions ended (a live picture outlasts its request), and what cameras are called. */
export function tellCameraService(from: {
  readonly loops: Loops
  readonly sessions: SessionStore
  readonly applier: PlanApplier
  readonly version: Version
  readonly facts: () => NodeFacts
  readonly log: Log
}): void {
  const { loops, sessions, applier, version, log } = from
  sessions.onEnded((sessionId) => {
    // When it does not run, it shows nothing.
    if (!applier.view('camera-proxy')?.url) return
    applier
      .command('camera-proxy', 'end-session', { sessionId })
      .catch((error: unknown) => log.warn('the live pictures of a session that ended could not be ended', error))
  })
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
