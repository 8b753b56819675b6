import type { CameraSource } from '../source.ts'
import { clockFilter } from './clock.ts'

const WIDTH = 1280
const HEIGHT = 720
const FPS = 30

/** A moving test pattern with the time of day burnt in, for trying everything without a camera. */
export const testSource: CameraSource = {
  kind: 'test',
  describe: (camera) => `the test camera "${camera.name}"`,
  missing: async () => null,
  ffmpegInput() {
    const graph = clockFilter({ width: WIDTH, height: HEIGHT, fps: FPS, zoneOffsetSeconds: -60 * new Date().getTimezoneOffset() })
    return {
      args: ['-re', '-f', 'lavfi', '-i', graph],
      copy: false,
      width: WIDTH,
      height: HEIGHT,
      fps: FPS,
      atEnd: 'gone',
    }
  },
}
