import { LISTING_ARGS, parseAvfoundationCameras } from '@thatdam/media/sources/avfoundation/listing'
import type { CameraFacts } from '@thatdam/protocol/facts'
import { parseCameras } from '../parse/system-profiler.ts'
import { runTool } from '../tool.ts'
import { cameraId } from './camera-id.ts'

/** Cameras of a Mac: ffmpeg says what it can open, system_profiler knows the unique ids. */
export async function discoverAvfoundation(ffmpegPath: string): Promise<CameraFacts[]> {
  const [list, profile] = await Promise.all([
    runTool(ffmpegPath, LISTING_ARGS),
    runTool('/usr/sbin/system_profiler', ['SPCameraDataType', '-json']),
  ])
  return avfoundationFacts(list.stderr, profile.stdout)
}

/** ffmpeg opens by name (the locator); its list tells no modes. A name that system_profiler does not know is its own id. */
export function avfoundationFacts(listing: string, profile: string): CameraFacts[] {
  const unused = parseCameras(profile)
  return parseAvfoundationCameras(listing).map(({ name }) => {
    const at = unused.findIndex((camera) => camera.name === name)
    const [known] = at >= 0 ? unused.splice(at, 1) : []
    return { cameraId: cameraId('avfoundation', known?.uniqueId ?? name), kind: 'avfoundation', name, locator: name, modes: [] }
  })
}
