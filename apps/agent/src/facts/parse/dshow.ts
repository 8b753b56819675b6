import type { VideoMode } from '@thatdam/protocol/facts'

/**
 * Cameras of `ffmpeg -f dshow -list_devices true -i dummy` (stderr). Old builds print a heading per kind, new ones a "(video)" after the name.
 * Devices without an alternative name cannot be told apart when two are equal: left out.
 */
export function parseDshowCameras(text: string): { name: string; alternativeName: string }[] {
  const cameras: { name: string; alternativeName: string }[] = []
  let section: 'video' | 'audio' | null = null
  let current: string | null = null
  for (const raw of text.split(/\r?\n/)) {
    const line = raw.replace(/^\[[^\]]*\]\s*/, '').trim()
    if (line.startsWith('DirectShow video devices')) section = 'video'
    else if (line.startsWith('DirectShow audio devices')) section = 'audio'
    const device = /^"(.*)"(?: \(([a-z, ]+)\))?$/.exec(line)
    const alternative = /^Alternative name "(.*)"$/.exec(line)?.[1]
    if (alternative) {
      if (current !== null) cameras.push({ name: current, alternativeName: alternative })
      current = null
    } else if (device?.[1] !== undefined) {
      const isVideo = device[2] ? device[2].includes('video') : section === 'video'
      current = isVideo ? device[1] : null
    }
  }
  return cameras
}

/** Modes of `ffmpeg -f dshow -list_options true -i video=…` (stderr): the largest size and rate of each line, without repeats. */
export function parseDshowOptions(text: string): VideoMode[] {
  const modes = new Map<string, VideoMode>()
  for (const line of text.split(/\r?\n/)) {
    const match = /(?:pixel_format|vcodec)=(\S+)\s+min s=\d+x\d+ fps=[\d.]+ max s=(\d+)x(\d+) fps=([\d.]+)/.exec(line)
    if (!match?.[1]) continue
    const mode = { codec: match[1].toLowerCase(), width: Number(match[2]), height: Number(match[3]), fps: Number(match[4]) }
    if (mode.fps > 0 && mode.width > 0 && mode.height > 0) modes.set(JSON.stringify(mode), mode)
  }
  return [...modes.values()]
}
