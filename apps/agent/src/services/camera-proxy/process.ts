import { LiveCamera } from '@thatdam/media/camera'
import { ffmpegMissing } from '@thatdam/media/ffmpeg/missing'
import { MjpegFeed } from '@thatdam/media/mjpeg/mjpeg'
import { WhepHub } from '@thatdam/media/webrtc/hub'
import { ThatdamError } from '@thatdam/protocol/errors'
import * as z from 'zod/mini'
import { runChild, type ChildContext } from '../child.ts'
import { liveRoutes, type ProxiedCamera } from './routes.ts'

/** What the agent adds to the plan's parameters. */
const Params = z.object({ encoders: z.optional(z.array(z.string())) })
const EndSession = z.object({ sessionId: z.nullable(z.string().check(z.maxLength(256))) })
const Names = z.object({ names: z.record(z.string(), z.string().check(z.maxLength(200))) })
const STATUS_MS = 1_000

/**
 * Commands: `end-session {sessionId}` (null: all) ends the live pictures of a session at once and answers `{ended}`; `names {names}`, by
 * camera id, is what people call the cameras from now on.
 */
async function main(context: ChildContext): Promise<void> {
  const { config } = context
  const encoders = Params.parse(config.params).encoders ?? null
  const hub = new WhepHub()
  const cameras = new Map<string, ProxiedCamera>()
  const publish = (): void => {
    context.status({ cameras: [...cameras.values()].map((one) => statusOf(one, hub)) })
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
  const timer = setInterval(publish, STATUS_MS)
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

function statusOf(camera: ProxiedCamera, hub: WhepHub): ReturnType<LiveCamera['status']> {
  return camera.live.status(hub.viewersOf(camera.live.feed) + (camera.mjpeg?.viewerCount ?? 0))
}

runChild(main)
