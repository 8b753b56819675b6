import type { CameraSource } from '../source.ts'

/** Formats that DirectShow names by pixel format; the others are codecs. */
const PIXEL_FORMATS = new Set(['yuyv422', 'nv12', 'yuv420p', 'uyvy422', 'bgr24', 'rgb24'])

/** Cameras of Windows. The locator is the alternative name (`@device_pnp_…`), because two webcams may share a display name. */
export const dshowSource: CameraSource = {
  kind: 'dshow',
  describe: (camera) => `the camera "${camera.name}"`,
  missing: async () => null, // DirectShow tells only when it is opened
  ffmpegInput(camera, mode) {
    const format = mode ? [PIXEL_FORMATS.has(mode.codec) ? '-pixel_format' : '-vcodec', mode.codec] : []
    return {
      args: [
        '-f',
        'dshow',
        '-rtbufsize',
        '64M',
        ...(mode ? [...format, '-video_size', `${mode.width}x${mode.height}`, '-framerate', String(mode.fps)] : []),
        '-i',
        `video=${camera.locator}`,
      ],
      copy: mode?.codec === 'h264',
      width: mode?.width ?? null,
      height: mode?.height ?? null,
      fps: mode?.fps ?? null,
      atEnd: 'gone',
    }
  },
}
