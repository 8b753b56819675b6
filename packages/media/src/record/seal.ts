import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { MediaInfo } from '@thatdam/protocol/ops'
import type { BlobStore } from '@thatdam/store/blob-store'
import { temporaryName } from '@thatdam/store/temporary'
import { probeRecording } from './probe.ts'

export interface SealTools {
  readonly ffmpegPath: string
  readonly ffprobePath: string
  readonly store: BlobStore
}

export interface SealedPart {
  readonly sha256: string
  readonly sizeBytes: number
  readonly media: MediaInfo
}

/** A remux reads and writes at the disk's pace; one that is slower than 1 MB/s has hung. */
const limitMs = (bytes: number): number => 60_000 + Math.ceil(bytes / 1000)

/**
 * Makes one MP4 with an index at its front out of a part's fragments, without touching the pictures, and moves it into the store.
 * Done twice, it gives the same bytes. Throws with ffmpeg's own words; the raw part is not touched.
 */
export async function sealPart(tools: SealTools, rawPath: string, takenAtMs: number): Promise<SealedPart> {
  const out = join(tools.store.root, 'tmp', temporaryName())
  try {
    await remux(tools.ffmpegPath, rawPath, out, takenAtMs)
    const media = await probeRecording(tools.ffprobePath, out, takenAtMs)
    const hash = createHash('sha256')
    for await (const chunk of createReadStream(out, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>) hash.update(chunk)
    const stored = await tools.store.adopt(out, hash.digest('hex'))
    return { sha256: stored.sha256, sizeBytes: stored.sizeBytes, media }
  } catch (error) {
    await rm(out, { force: true })
    throw error
  }
}

async function remux(ffmpegPath: string, from: string, to: string, takenAtMs: number): Promise<void> {
  const input = ['-hide_banner', '-nostdin', '-loglevel', 'error', '-protocol_whitelist', 'file,pipe', '-f', 'mp4', '-i', `file:${from}`]
  const meta = ['-metadata', `creation_time=${new Date(takenAtMs).toISOString()}`]
  const output = ['-map', '0:v:0', '-c', 'copy', '-fflags', '+bitexact', ...meta, '-movflags', '+faststart', '-f', 'mp4', `file:${to}`]
  const timeout = limitMs((await stat(from)).size)
  await new Promise<void>((resolve, reject) => {
    const child = spawn(ffmpegPath, [...input, ...output], {
      stdio: ['ignore', 'ignore', 'pipe'],
      timeout,
      killSignal: 'SIGKILL',
      windowsHide: true,
    })
    let stderr = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr = (stderr + text).slice(-2000)))
    child.once('error', reject)
    child.once('close', (code, signal) => {
      if (code === 0) resolve()
      else reject(new Error(`ffmpeg ended with ${signal ?? code}: ${stderr.trim() || 'it said nothing'}`))
    })
  })
}
