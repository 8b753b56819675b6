import { execFile } from 'node:child_process'
import type { CameraSource } from '../source.ts'
import { LISTING_ARGS, parseAvfoundationCameras } from './listing.ts'

/** ffmpeg reads such a name as an index ("1080P Web Camera" is device 1080, "2K Camera" maybe the screen) or cuts it at the colon. */
const MISREAD = /^\s*[-+]?\d|:/
const LISTING_TIMEOUT_MS = 5_000
const LISTING_BYTES_MAX = 1 << 20

/**
 * Cameras of macOS. The locator is the device's unique name; ffmpeg takes a name where an index could be, and an index may become
 * another device or the screen after a replug, so that none is kept: where ffmpeg would misread the name, it is looked up for each opening.
 */
export const avfoundationSource: CameraSource = {
  kind: 'avfoundation',
  describe: (camera) => `the camera "${camera.name}"`,
  missing: async () => null, // AVFoundation tells only when it is opened
  async deviceIndex(camera, ffmpegPath) {
    if (!MISREAD.test(camera.locator)) return null
    const listed = parseAvfoundationCameras(await listDevices(ffmpegPath)).find(({ name }) => name === camera.locator)
    return listed?.index ?? { state: 'gone', sentence: `The camera "${camera.name}" is not there. Plug it in again; it goes on by itself.` }
  },
  ffmpegInput(camera, mode, deviceIndex = null) {
    return {
      args: [
        '-f',
        'avfoundation',
        '-framerate',
        String(mode?.fps ?? 30),
        ...(mode ? ['-video_size', `${mode.width}x${mode.height}`] : []),
        '-pixel_format',
        'nv12',
        ...(deviceIndex === null ? [] : ['-video_device_index', String(deviceIndex)]),
        '-i',
        deviceIndex === null ? `${camera.locator}:none` : 'none:none',
      ],
      copy: false,
      width: mode?.width ?? null,
      height: mode?.height ?? null,
      fps: mode?.fps ?? 30,
      atEnd: 'gone',
    }
  },
}

/** Empty when ffmpeg does not run: the camera is then away, and asked for again. */
function listDevices(ffmpegPath: string): Promise<string> {
  const limits = { timeout: LISTING_TIMEOUT_MS, killSignal: 'SIGKILL', maxBuffer: LISTING_BYTES_MAX, windowsHide: true } as const
  return new Promise((resolve) => execFile(ffmpegPath, LISTING_ARGS, limits, (_failed, _stdout, stderr) => resolve(stderr)))
}
