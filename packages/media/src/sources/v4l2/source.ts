import { missingPath } from '../presence.ts'
import type { CameraSource } from '../source.ts'

/** What ffmpeg's video4linux2 input calls the formats; other FourCCs go by their own name. */
const INPUT_FORMATS: Readonly<Record<string, string>> = { mjpeg: 'mjpeg', mjpg: 'mjpeg', yuyv: 'yuyv422', yuyv422: 'yuyv422', h264: 'h264' }

/** USB and other cameras of Linux. The locator is a by-path or by-id link, which follows the socket or the device, never an index. */
export const v4l2Source: CameraSource = {
  kind: 'v4l2',
  describe: (camera) => `the camera "${camera.name}" (${camera.locator})`,
  missing: (camera) =>
    missingPath(
      camera.locator,
      `The camera "${camera.name}"`,
      'Add it to the group of the cameras, `sudo usermod -aG video $USER`, and sign in again.',
      'Plug it in again; it goes on by itself.',
    ),
  ffmpegInput(camera, mode) {
    const format = mode && (INPUT_FORMATS[mode.codec] ?? mode.codec)
    return {
      args: [
        '-thread_queue_size',
        '64',
        '-f',
        'v4l2',
        ...(mode && format ? ['-input_format', format, '-video_size', `${mode.width}x${mode.height}`, '-framerate', String(mode.fps)] : []),
        '-i',
        camera.locator,
      ],
      copy: format === 'h264',
      width: mode?.width ?? null,
      height: mode?.height ?? null,
      fps: mode?.fps ?? null,
      atEnd: 'gone',
    }
  },
}
