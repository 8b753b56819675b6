/** Names of the cameras in `ffmpeg -f avfoundation -list_devices true -i ""` (stderr). Screens are sources only when asked for by name. */
export function parseAvfoundationCameras(text: string): string[] {
  const names: string[] = []
  let video = false
  for (const raw of text.split(/\r?\n/)) {
    const line = raw.replace(/^\[(?:AVFoundation|in#)[^\]]*\]\s*/, '')
    if (/AVFoundation video devices:/.test(line)) video = true
    else if (/AVFoundation audio devices:/.test(line)) video = false
    const name = /^\[\d+\] (.+)$/.exec(line)?.[1]?.trim()
    if (video && name && !/^Capture screen \d+$/.test(name)) names.push(name)
  }
  return names
}
