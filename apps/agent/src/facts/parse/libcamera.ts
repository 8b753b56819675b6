import type { VideoMode } from '@thatdam/protocol/facts'

export type LibcameraCamera = { name: string; path: string; modes: VideoMode[] }

/**
 * `rpicam-hello --list-cameras` (libcamera-hello before 2024). The bit depth after the size may be missing and mode lines are not aligned.
 * USB cameras appear in it too; they are V4L2's, so they are left out here.
 */
export function parseLibcameraList(text: string): LibcameraCamera[] {
  const cameras: LibcameraCamera[] = []
  let codec = 'raw'
  for (const line of text.split(/\r?\n/)) {
    const head = /^\s*\d+ : (\S.*?) \[\d+x\d+[^\]]*\] \((\/[^)]+)\)/.exec(line)
    if (head?.[1] && head[2]) cameras.push({ name: head[1], path: head[2], modes: [] })
    const format = /'([A-Za-z0-9_]+)'\s*:/.exec(line)?.[1]
    if (format) codec = format.toLowerCase()
    const mode = /(\d+)x(\d+) \[([\d.]+) fps/.exec(line)
    const fps = Number(mode?.[3])
    if (mode && fps > 0) cameras.at(-1)?.modes.push({ codec, width: Number(mode[1]), height: Number(mode[2]), fps })
  }
  return cameras.filter((camera) => !/usb@/.test(camera.path))
}
