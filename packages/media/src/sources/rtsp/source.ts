import type { CameraSource } from '../source.ts'

/** A network camera that gives H.264. Over TCP, so that a lossy Wi-Fi delays pictures instead of tearing them. */
export const rtspSource: CameraSource = {
  kind: 'rtsp',
  describe: (camera) => `the network camera "${camera.name}"`,
  missing: async () => null, // asking is opening
  ffmpegInput(camera, mode) {
    return {
      args: ['-protocol_whitelist', 'rtsp,rtp,udp,tcp,tls,crypto', '-rtsp_transport', 'tcp', '-i', camera.locator],
      copy: mode === null || mode.codec === 'h264',
      width: mode?.width ?? null,
      height: mode?.height ?? null,
      fps: mode?.fps ?? null,
      atEnd: 'gone',
    }
  },
}
