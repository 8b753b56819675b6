export interface ListedCamera {
  /** Of this moment: another one after a replug. */
  readonly index: number
  readonly name: string
}

/** Asks ffmpeg which devices there are; it says so on its standard error, and fails. */
export const LISTING_ARGS: readonly string[] = ['-hide_banner', '-nostdin', '-f', 'avfoundation', '-list_devices', 'true', '-i', '']

/** The cameras in what ffmpeg lists. Screens are sources only when asked for by name. */
export function parseAvfoundationCameras(text: string): ListedCamera[] {
  const cameras: ListedCamera[] = []
  let video = false
  for (const raw of text.split(/\r?\n/)) {
    const line = raw.replace(/^\[(?:AVFoundation|in#)[^\]]*\]\s*/, '')
    if (/AVFoundation video devices:/.test(line)) video = true
    else if (/AVFoundation audio devices:/.test(line)) video = false
    const [, index, rest] = /^\[(\d+)\] (.+)$/.exec(line) ?? []
    const name = rest?.trim()
    if (video && name && !/^Capture screen \d+$/.test(name)) cameras.push({ index: Number(index), name })
  }
  return cameras
}
