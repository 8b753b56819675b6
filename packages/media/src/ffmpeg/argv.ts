import type { FfmpegInput } from '../sources/source.ts'
import { encoderArgs, type EncoderPlan } from './encoders.ts'

/** UDP ports on 127.0.0.1: where RTP is to go, and from where it must come. */
export interface RtpPorts {
  readonly to: number
  readonly fromRtp: number
  readonly fromRtcp: number
}

export const RTP_PAYLOAD_TYPE = 96
/** At most half a second is lost when everything is killed. */
const FRAGMENT_MS = 500
const RTP_PACKET_BYTES = 1200
/** The head is written before the first picture: an encoder must know its parameter sets by then. */
export const FRAGMENT_MOVFLAGS = '+frag_keyframe+empty_moov+default_base_moof'

/**
 * One ffmpeg for one camera: one encode or copy, then to the pipe as fragmented MP4 and to loopback as RTP.
 * A broken pipe ends it (nobody is left to read), a broken live leg does not touch the recording. Parameter sets go before each key frame only on the RTP leg; in MP4 they are in the init segment.
 */
export function cameraArgv(input: FfmpegInput, encoder: EncoderPlan | null, rtp: RtpPorts): string[] {
  if (!input.copy && !encoder) throw new Error('a camera that does not give H.264 needs an encoder')
  const codec = input.copy || !encoder ? ['-c:v', 'copy', '-bsf:v', 'h264_mp4toannexb', '-tag:v', 'avc1'] : encoderArgs(encoder, input)
  const mp4 = `[f=mp4:onfail=abort:movflags=${FRAGMENT_MOVFLAGS}:frag_duration=${FRAGMENT_MS * 1000}:flush_packets=1]pipe:1`
  const ports = `rtcpport=${rtp.to}&localrtpport=${rtp.fromRtp}&localrtcpport=${rtp.fromRtcp}`
  const live = `[f=rtp:onfail=ignore:bsfs/v=dump_extra=freq=keyframe:payload_type=${RTP_PAYLOAD_TYPE}]rtp://127.0.0.1:${rtp.to}?pkt_size=${RTP_PACKET_BYTES}&${ports}`
  return [
    '-hide_banner',
    '-nostdin',
    '-nostats',
    '-loglevel',
    'warning',
    ...(input.copy ? [] : (encoder?.globalArgs ?? [])),
    ...input.args,
    '-map',
    '0:v:0',
    '-an',
    '-sn',
    '-dn',
    ...codec,
    '-f',
    'tee',
    `${mp4}|${live}`,
  ]
}
