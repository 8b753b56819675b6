import { LiveCamera } from '@thatdam/media/camera'
import { ffmpegMissing } from '@thatdam/media/ffmpeg/missing'
import { MjpegFeed } from '@thatdam/media/mjpeg/mjpeg'
import { WhepHub } from '@thatdam/media/webrtc/hub'
import type { CameraStatus } from '@thatdam/protocol/capture'
import { ThatdamError } from '@thatdam/protocol/errors'
import * as z from 'zod/mini'
import { runChild, type ChildContext } from '../child.ts'
import { liveRoutes, type ProxiedCamera } from './routes.ts'

/** What the agent adds to the plan's parameters. */
const Params = z.object({ encoders: z.optional(z.array(z.string())) })
const EndSession = z.object({ sessionId: z.nullable(z.string().check(z.maxLength(256))) })
const Names = z.object({ names: z.record(z.string(), z.string().check(z.maxLength(200))) })
const LOOK_MS = 1_000
/** Rates and fragments are others each second, and each word of them wakes the agent: told alone they may be this old. */
const FIGURES_MS = 5_000

/**
 * Commands: `end-session {sessionId}` (null: all) ends the live pictures of a session at once and answers `{ended}`; `names {names}`, by
 * camera id, is what people call the cameras from now on.
 */
async function main(context: ChildContext): Promise<void> {
  const { config } = context
  const encoders = Params.parse(config.params).encoders ?? null
  const hub = new WhepHub()
  const cameras = new Map<string, ProxiedCamera>()
  let told = { text: '', atMs: Number.NEGATIVE_INFINITY }
  const publish = (): void => {
    const statuses = [...cameras.values()].map((one) => statusOf(one, hub))
    const text = JSON.stringify(statuses.map(weighty))
    if (text === told.text && performance.now() - told.atMs < FIGURES_MS) return
    told = { text, atMs: performance.now() }
    context.status({ cameras: statuses })
  }
  for (const facts of config.cameras) {
    const live = new LiveCamera({ camera: facts, ffmpegPath: config.ffmpegPath, encoders, onChange: publish })
    cameras.set(facts.cameraId, { live, mjpeg: config.ffmpegPath ? new MjpegFeed(config.ffmpegPath, live.ring) : null })
  }
  context.onCommand(async (command, given) => {
    const named = Names.safeParse(given)
    if (command === 'names' && named.success) {
      for (const [cameraId, name] of Object.entries(named.data.names)) cameras.get(cameraId)?.live.rename(name)
      publish()
      return {}
    }
    const asked = EndSession.safeParse(given)
    if (command !== 'end-session' || !asked.success)
      throw new ThatdamError('NOT_FOUND', `The camera service takes no such command "${command}".`)
    return { ended: hub.endSession(asked.data.sessionId) }
  })
  const timer = setInterval(publish, LOOK_MS)
  context.onStop(async () => {
    clearInterval(timer)
    hub.close()
    for (const camera of cameras.values()) camera.mjpeg?.close()
    await Promise.all([...cameras.values()].map((camera) => camera.live.stop()))
  })
  await context.listen(
    liveRoutes({ cameras, hub, ffmpegPath: config.ffmpegPath, localToken: config.localToken, signal: context.signal, statusOf }),
  )
  for (const camera of cameras.values()) camera.live.start()
  publish()
  if (!config.ffmpegPath) context.waiting(ffmpegMissing())
  else context.running(cameras.size === 0 ? 'No camera was found on this machine.' : '')
}

/** All but the figures that move while nothing happens. */
function weighty({ fps, bitRate: _bitRate, firstFragment: _first, nextFragment: _next, ...rest }: CameraStatus): object {
  return { ...rest, isMeasured: fps !== null }
}

function statusOf(camera: ProxiedCamera, hub: WhepHub): CameraStatus {
  return camera.live.status(hub.viewersOf(camera.live.feed) + (camera.mjpeg?.viewerCount ?? 0))
}

runChild(main)
