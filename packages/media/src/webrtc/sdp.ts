import { isIP } from 'node:net'
import { ThatdamError } from '@thatdam/protocol/errors'

export const OFFER_LIMIT_BYTES = 64 << 10
const MAX_LINES = 1000

export interface VideoOffer {
  /** The offer without candidates that are names: a stranger's name is not looked up, and a browser's `.local` needs no looking up. */
  readonly sdp: string
  readonly mid: string
  readonly payloadType: number
  /** Format parameters to answer with. */
  readonly format: string
}

/** What a viewer's WHEP offer takes. Throws BAD_REQUEST with the sentence for the person. */
export function readVideoOffer(raw: string): VideoOffer {
  const lines = raw.split(/\r\n|\n/)
  if (!raw.startsWith('v=0') || lines.length > MAX_LINES) throw new ThatdamError('BAD_REQUEST', 'This is no SDP offer.')
  const sections = splitMedia(lines)
  const video = sections.find((section) => section[0]?.startsWith('m=video'))
  if (!video) throw new ThatdamError('BAD_REQUEST', 'The offer asks for no video.')
  if (sections.filter((section) => section[0]?.startsWith('m=')).length > 1)
    throw new ThatdamError('BAD_REQUEST', 'The offer has more than one part. Ask for one video and nothing else.')
  if (video.some((line) => line === 'a=sendonly' || line === 'a=inactive'))
    throw new ThatdamError('BAD_REQUEST', 'The offer would send video. A viewer must offer to receive it.')
  const mid = video.find((line) => line.startsWith('a=mid:'))?.slice(6)
  if (!mid || !/^[\w-]{1,32}$/.test(mid)) throw new ThatdamError('BAD_REQUEST', 'The offer does not name its video part (a=mid).')
  const chosen = chooseH264(video)
  if (!chosen)
    throw new ThatdamError('BAD_REQUEST', 'This browser does not offer H.264 (packetization-mode=1). Use the MJPEG picture instead.')
  return { sdp: `${lines.filter(keepLine).join('\r\n').trimEnd()}\r\n`, mid, ...chosen }
}

function splitMedia(lines: readonly string[]): string[][] {
  const sections: string[][] = [[]]
  for (const line of lines) {
    if (line.startsWith('m=')) sections.push([])
    sections.at(-1)?.push(line)
  }
  return sections
}

/** Constrained baseline with packetization-mode=1 first: all browsers decode it; then any H.264 with that mode. */
function chooseH264(video: readonly string[]): { payloadType: number; format: string } | null {
  const listed = new Set(video[0]?.split(' ').slice(3))
  const h264 = new Set<string>()
  const formats: { payloadType: string; format: string }[] = []
  for (const line of video) {
    const map = /^a=rtpmap:(\d{1,3}) H264\/90000/i.exec(line)
    if (map?.[1]) h264.add(map[1])
    const format = /^a=fmtp:(\d{1,3}) ([\w=;. -]{1,200})$/.exec(line)
    if (format?.[1] && format[2]) formats.push({ payloadType: format[1], format: format[2].trim() })
  }
  const usable = formats.filter((one) => {
    const type = Number(one.payloadType)
    const dynamic = (type >= 96 && type <= 127) || (type >= 35 && type <= 63)
    return dynamic && listed.has(one.payloadType) && h264.has(one.payloadType) && /packetization-mode=1(;|$)/.test(one.format)
  })
  const best =
    usable.find((one) => /profile-level-id=42e0/i.test(one.format)) ?? usable.find((one) => /profile-level-id=42/i.test(one.format))
  const chosen = best ?? usable[0]
  return chosen ? { payloadType: Number(chosen.payloadType), format: chosen.format } : null
}

function keepLine(line: string): boolean {
  if (!line.startsWith('a=candidate:')) return true
  return isIP(line.split(' ')[4] ?? '') !== 0
}
