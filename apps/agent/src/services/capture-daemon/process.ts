import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { ffmpegMissing } from '@thatdam/media/ffmpeg/missing'
import { Recorder } from '@thatdam/media/record/recorder'
import { sealPart } from '@thatdam/media/record/seal'
import { CaptureSpace, spareBytesWith } from '@thatdam/media/record/space'
import type { CaptureStatus } from '@thatdam/protocol/capture'
import { ThatdamError } from '@thatdam/protocol/errors'
import { openBlobStore } from '@thatdam/store/blob-store'
import * as z from 'zod/mini'
import { runChild, type ChildContext } from '../child.ts'
import { ProxyClient } from './proxy-reader.ts'

/** `reserveBytes`: free space that recordings leave alone, instead of the store's own rule. */
const Params = z.object({ reserveBytes: z.optional(z.number().check(z.nonnegative())) })
const Start = z.object({
  cameraId: z.string().check(z.maxLength(128)),
  title: z.optional(z.string().check(z.maxLength(1024))),
  preRollMs: z.optional(z.number().check(z.nonnegative())),
})
const Stop = z.object({ captureId: z.string().check(z.maxLength(128)) })

const STATUS_MS = 500

/**
 * Commands: `start {cameraId, title?, preRollMs?}` and `stop {captureId}`, both answer a CaptureStatus; `list` answers {captures}.
 */
async function main(context: ChildContext): Promise<void> {
  const { config } = context
  const { reserveBytes } = Params.parse(config.params)
  const capturesDir = join(config.stateDir, 'captures')
  await mkdir(capturesDir, { recursive: true, mode: 0o700 })
  const store = await openBlobStore(config.casRoot, reserveBytes === undefined ? {} : { reserveBytes })
  const proxy = new ProxyClient(config.localToken, () => context.peers()['camera-proxy'] ?? null)
  const { ffmpegPath, ffprobePath } = config
  const recorder: Recorder = new Recorder({
    capturesDir,
    nodeId: config.nodeId,
    space: new CaptureSpace(capturesDir, config.casRoot, spareBytesWith(reserveBytes)),
    reader: (cameraId) => proxy.reader(cameraId),
    appendOps: (bodies) => context.appendOps(bodies),
    sealPart: async (rawPath, takenAtMs) => {
      if (!ffmpegPath || !ffprobePath) throw new ThatdamError('UNAVAILABLE', ffmpegMissing())
      return sealPart({ ffmpegPath, ffprobePath, store }, rawPath, takenAtMs)
    },
    onChange: () => publish(),
    signal: context.signal,
  })
  const publish = (): void => context.status({ captures: recorder.status() })
  const timer = setInterval(() => {
    if (recorder.status().some((capture) => capture.state === 'recording')) publish()
  }, STATUS_MS)
  context.onStop(async () => {
    clearInterval(timer)
    await recorder.settled()
  })
  context.onCommand(async (command, params) => {
    switch (command) {
      case 'start':
        return { ...(await start(recorder, proxy, parse(Start, params))) }
      case 'stop':
        return { ...recorder.stop(parse(Stop, params).captureId) }
      case 'list':
        return { captures: recorder.status().map((capture) => ({ ...capture })) }
      default:
        throw new ThatdamError('NOT_FOUND', `Recording takes no command "${command}".`)
    }
  })
  await recorder.resume()
  publish()
  await context.listen(async () => {
    throw new ThatdamError('NOT_FOUND', 'There is nothing here.')
  })
  if (ffmpegPath && ffprobePath) context.running()
  else context.waiting(ffmpegMissing())
}

async function start(recorder: Recorder, proxy: ProxyClient, request: z.infer<typeof Start>): Promise<CaptureStatus> {
  const cameras = await proxy.cameras()
  if (!cameras) throw new ThatdamError('UNAVAILABLE', 'The camera service of this machine is not up yet. Try again in a moment.')
  const camera = cameras.find((one) => one.camera.cameraId === request.cameraId)
  if (!camera) throw new ThatdamError('NOT_FOUND', 'This machine has no such camera.')
  if (camera.state !== 'live' && camera.state !== 'starting') throw new ThatdamError('CONFLICT', camera.reason)
  return recorder.start({
    cameraId: request.cameraId,
    cameraName: camera.camera.name,
    title: request.title,
    preRollMs: request.preRollMs,
  })
}

function parse<T extends z.ZodMiniType>(schema: T, params: unknown): z.infer<T> {
  const parsed = schema.safeParse(params)
  if (!parsed.success) throw new ThatdamError('BAD_REQUEST', 'The command for recording is not well formed.')
  return parsed.data
}

runChild(main)
