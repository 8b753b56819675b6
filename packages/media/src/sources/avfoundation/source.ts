import type { CameraSource } from '../source.ts'

/**
 * Cameras of macOS. The locator is the device's unique name; ffmpeg takes a name where an index could be, and an index may become
 * another device or the screen after a replug, so that an index is never given.
 */
export const avfoundationSource: CameraSource = {
  kind: 'avfoundation',
  describe: (camera) => `the camera "${camera.name}"`,
  missing: async () => null, // AVFoundation tells only when it is opened
  ffmpegInput(camera, mode) {
    return {
      args: [
        '-f',
        'avfoundation',
        '-framerate',
        String(mode?.fps ?? 30),
        ...(mode ? ['-video_size', `${mode.width}x${mode.height}`] : []),
        '-pixel_format',
        'nv12',
        '-i',
        `${camera.locator}:none`,
      ],
      copy: false,
      width: mode?.width ?? null,
      height: mode?.height ?? null,
      fps: mode?.fps ?? 30,
      atEnd: 'gone',
    }
  },
}
