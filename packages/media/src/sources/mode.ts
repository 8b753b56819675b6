import type { VideoMode } from '@thatdam/protocol/facts'

export interface ModeLimit {
  readonly maxWidth: number
  readonly maxHeight: number
  readonly maxFps: number
}

/** Copying costs next to nothing; encoding in software is bounded by the machine. */
export const COPY_LIMIT: ModeLimit = { maxWidth: 1920, maxHeight: 1080, maxFps: 30 }
export const SMALL_ENCODE_LIMIT: ModeLimit = { maxWidth: 1280, maxHeight: 720, maxFps: 30 }

const RAW_RANK: Readonly<Record<string, number>> = { mjpeg: 2, mjpg: 2, nv12: 1, yuyv422: 1, yuyv: 1 }
const ENOUGH_FPS = 15

/**
 * The best mode of a camera: H.264 that it makes itself first (nothing to encode), else the largest picture that still runs at
 * 15 frames a second or more, JPEG before raw at the same size. Null when the camera told no modes: its own default is taken.
 */
export function chooseMode(modes: readonly VideoMode[], encodeLimit: ModeLimit): VideoMode | null {
  const native = modes.filter((mode) => mode.codec === 'h264')
  const copy = best(native, COPY_LIMIT)
  if (copy) return copy
  const usable = modes.filter((mode) => mode.codec in RAW_RANK)
  return best(usable, encodeLimit) ?? smallest(usable) ?? smallest(native)
}

function best(modes: readonly VideoMode[], limit: ModeLimit): VideoMode | null {
  const within = modes.filter((mode) => mode.width <= limit.maxWidth && mode.height <= limit.maxHeight)
  const score = (mode: VideoMode): readonly number[] => [
    mode.fps >= ENOUGH_FPS ? 1 : 0,
    mode.width * mode.height,
    mode.fps <= limit.maxFps ? mode.fps : limit.maxFps - (mode.fps - limit.maxFps) / 1000,
    RAW_RANK[mode.codec] ?? 0,
  ]
  return within.toSorted((a, b) => compare(score(b), score(a)))[0] ?? null
}

function smallest(modes: readonly VideoMode[]): VideoMode | null {
  return modes.toSorted((a, b) => a.width * a.height - b.width * b.height || b.fps - a.fps)[0] ?? null
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (const [at, value] of a.entries()) {
    const difference = value - (b[at] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}
