import { missingPath } from '../presence.ts'
import type { CameraSource } from '../source.ts'

/**
 * A file played in real time, again and again, as if it were a camera. Each pass is a new ffmpeg: looping inside one ffmpeg tears
 * the bitstream filter at the seam (seen with ffmpeg 5.1).
 */
export const fileSource: CameraSource = {
  kind: 'file',
  describe: (camera) => `the file "${camera.name}"`,
  missing: (camera) =>
    missingPath(
      camera.locator,
      `The file "${camera.name}"`,
      'Give the user that runs ThatDAM the right to read the file.',
      'Put it back; it goes on by itself.',
    ),
  ffmpegInput(camera, mode) {
    return {
      args: ['-protocol_whitelist', 'file,pipe', '-re', '-i', `file:${camera.locator}`],
      copy: mode?.codec === 'h264',
      width: mode?.width ?? null,
      height: mode?.height ?? null,
      fps: mode?.fps ?? null,
      atEnd: 'again',
    }
  },
}
