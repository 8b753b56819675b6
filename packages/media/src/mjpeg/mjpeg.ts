import { spawn, type ChildProcessByStdio } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import type { FragmentRing, RingFragment } from '../ring.ts'
import { JpegSplitter } from './jpeg-splitter.ts'

export const MJPEG_VIEWERS_MAX = 8
const RATE_FPS = 10
const WIDTH_MAX = 960
/** A decoder that is this far behind is begun anew at the newest key frame. */
const STDIN_LIMIT_BYTES = 8 << 20

type Decoder = ChildProcessByStdio<Writable, Readable, null>

/** fMP4 in on stdin, JPEGs out on stdout. Named protocols only: what comes in cannot make it open anything else. */
const decoderArgs = (output: readonly string[]): string[] => [
  '-hide_banner',
  '-loglevel',
  'error',
  '-protocol_whitelist',
  'pipe',
  '-probesize',
  '65536',
  '-flags',
  'low_delay',
  '-f',
  'mp4',
  '-i',
  'pipe:0',
  '-an',
  ...output,
  '-c:v',
  'mjpeg',
  '-q:v',
  '6',
  '-f',
  'image2pipe',
  '-flush_packets',
  '1',
  'pipe:1',
]

const scale = (width: number): string => `scale='min(${width},iw)':-2,format=yuvj420p`

/** Pictures for browsers without WebRTC: one small ffmpeg a camera, fed from the ring, only while somebody looks. */
export class MjpegFeed {
  private readonly ffmpegPath: string
  private readonly ring: FragmentRing
  private readonly viewers = new Set<(jpeg: Buffer) => void>()
  private decoder: { process: Decoder; generation: string } | null = null
  private unsubscribe: (() => void) | null = null
  private newest: Buffer | null = null

  constructor(ffmpegPath: string, ring: FragmentRing) {
    this.ffmpegPath = ffmpegPath
    this.ring = ring
  }

  get viewerCount(): number {
    return this.viewers.size
  }
  /** Of the running decoder, for tests and logs. */
  get pid(): number | null {
    return this.decoder?.process.pid ?? null
  }
  /** The newest picture while somebody looks. */
  get picture(): Buffer | null {
    return this.newest
  }

  /** Null when 8 look already. The returned function ends it; the last one to leave ends the decoder. */
  join(onPicture: (jpeg: Buffer) => void): (() => void) | null {
    if (this.viewers.size >= MJPEG_VIEWERS_MAX) return null
    this.viewers.add(onPicture)
    this.unsubscribe ??= this.ring.onFragment((fragment) => this.feed(fragment))
    if (!this.decoder) this.restart()
    return () => {
      this.viewers.delete(onPicture)
      if (this.viewers.size === 0) this.close()
    }
  }

  close(): void {
    this.unsubscribe?.()
    this.unsubscribe = null
    this.viewers.clear()
    this.newest = null
    this.endDecoder()
  }

  private endDecoder(): void {
    this.decoder?.process.kill('SIGKILL')
    this.decoder = null
  }

  private feed(fragment: RingFragment): void {
    const stdin = this.decoder?.process.stdin
    if (!stdin || fragment.generation !== this.decoder?.generation || stdin.writableLength > STDIN_LIMIT_BYTES) this.restart()
    else stdin.write(fragment.bytes)
  }

  /** At the newest key frame; without one, the next fragment tries again. */
  private restart(): void {
    this.endDecoder()
    const group = this.ring.newestGroup()
    const first = group[0]
    const init = first && this.ring.initOf(first.generation)
    if (!first || !init) return
    const process = spawn(this.ffmpegPath, decoderArgs(['-vf', `fps=${RATE_FPS},${scale(WIDTH_MAX)}`]), {
      stdio: ['pipe', 'pipe', 'ignore'],
      windowsHide: true,
    })
    const splitter = new JpegSplitter((jpeg) => {
      this.newest = jpeg
      for (const viewer of this.viewers) viewer(jpeg)
    })
    process.stdin.on('error', () => {}) // it ended: the next fragment starts another
    process.stdout.on('data', (chunk: Buffer) => splitter.push(chunk))
    process.once('error', (error) => console.error('MJPEG decoder', error))
    process.once('close', () => {
      if (this.decoder?.process === process) this.decoder = null
    })
    this.decoder = { process, generation: first.generation }
    process.stdin.write(init.segment.bytes)
    for (const fragment of group) process.stdin.write(fragment.bytes)
  }
}

const SNAPSHOT_LIMIT_MS = 5_000

/** The picture of the newest key frame as JPEG, at full size; null when there is none or it cannot be decoded. */
export function takeSnapshot(ffmpegPath: string, ring: FragmentRing): Promise<Buffer | null> {
  const first = ring.newestGroup()[0]
  const init = first && ring.initOf(first.generation)
  if (!first || !init) return Promise.resolve(null)
  return new Promise((resolve) => {
    const process = spawn(ffmpegPath, decoderArgs(['-frames:v', '1', '-vf', scale(1920)]), {
      stdio: ['pipe', 'pipe', 'ignore'],
      timeout: SNAPSHOT_LIMIT_MS,
      killSignal: 'SIGKILL',
      windowsHide: true,
    })
    let picture: Buffer | null = null
    const splitter = new JpegSplitter((jpeg) => (picture = jpeg))
    process.stdin.on('error', () => {})
    process.stdout.on('data', (chunk: Buffer) => splitter.push(chunk))
    process.once('error', () => resolve(null))
    process.once('close', () => resolve(picture))
    process.stdin.end(Buffer.concat([init.segment.bytes, first.bytes]))
  })
}
