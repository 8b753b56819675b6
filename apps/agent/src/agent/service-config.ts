import type { NodeFacts } from '@thatdam/protocol/facts'
import type { ServiceConfig } from '@thatdam/protocol/local'
import type { PlanBody, PlannedService } from '@thatdam/protocol/plan'
import type { NodeSettings } from '@thatdam/protocol/settings'
import type { Env } from '../env.ts'
import { findFfmpeg, findFfprobe } from '../facts/gather.ts'

/** Everything that a service's own process is told at its start; `peers` come when siblings are up. */
export function serviceConfig(
  from: {
    readonly env: Env
    readonly nodeId: string
    readonly settings: NodeSettings
    readonly facts: NodeFacts
    readonly local: { readonly url: string; readonly token: string }
  },
  planned: PlannedService,
  body: PlanBody,
): ServiceConfig {
  const { env, settings, facts, local } = from
  const ffmpegPath = findFfmpeg(env.ffmpegPath)
  const wanted = new Set(body.cameras.map(({ cameraId }) => cameraId))
  return {
    service: planned.name,
    mode: planned.mode,
    params: planned.params,
    nodeId: from.nodeId,
    nodeName: settings.name,
    stateDir: env.stateDir,
    casRoot: env.casRoot,
    indexPaths: settings.indexPaths,
    cameras: facts.cameras.filter(({ cameraId }) => wanted.has(cameraId)),
    localUrl: local.url,
    localToken: local.token,
    ffmpegPath,
    ffprobePath: findFfprobe(ffmpegPath),
    maxParallel: Math.max(1, body.quotas.maxDerives),
    peers: {},
    logLevel: env.logLevel,
  }
}
