import type { CameraFacts } from '@thatdam/protocol/facts'
import { discoverAvfoundation } from './avfoundation.ts'
import { cameraId } from './camera-id.ts'
import { discoverDshow } from './dshow.ts'
import { discoverLibcamera } from './libcamera.ts'
import { discoverV4l2 } from './v4l2.ts'

export type CameraOptions = {
  ffmpegPath: string | null
  /** Names of generated cameras to add: moving pictures with a burnt-in clock, made by ffmpeg. At most 8. */
  testCameras: readonly string[]
}

/** Every camera of this machine, at most 64. Screens are not in it: they are sources only when asked for by name. */
export async function discoverCameras(options: CameraOptions): Promise<CameraFacts[]> {
  const real = await realCameras(options.ffmpegPath)
  return [...real, ...testCameras(options.testCameras)].slice(0, 64)
}

async function realCameras(ffmpegPath: string | null): Promise<CameraFacts[]> {
  if (process.platform === 'linux') return (await Promise.all([discoverV4l2(ffmpegPath), discoverLibcamera()])).flat()
  if (!ffmpegPath) return []
  if (process.platform === 'win32') return await discoverDshow(ffmpegPath)
  return process.platform === 'darwin' ? await discoverAvfoundation(ffmpegPath) : []
}

export function testCameras(names: readonly string[]): CameraFacts[] {
  return [...new Set(names.map((name) => cameraId('test', name)))].slice(0, 8).map((id) => ({
    cameraId: id,
    kind: 'test',
    name: `Test camera ${id.slice('test:'.length)}`,
    locator: id,
    modes: [{ codec: 'rawvideo', width: 1280, height: 720, fps: 30 }],
  }))
}
