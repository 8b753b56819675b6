/*
 * Pictures of a camera one after the other (multipart/x-mixed-replace). An <img> plays that too, but tells nobody when its stream ends: it shows the
 * last picture for ever.
 *
 *   connecting ── a picture ─▶ playing ── none for a while, or the stream ended ─▶ connecting (asked for again)
 */

export interface MjpegPace {
  /** Without a byte for so long the stream is taken for dead. */
  silentMs: number
  againMs: number
}
const PACE: MjpegPace = { silentMs: 5_000, againMs: 1_000 }
const HEAD_BYTES_MAX = 8_192
const PICTURE_BYTES_MAX = 16 * 1024 * 1024

export interface MjpegOptions {
  url: string
  show: (jpeg: Uint8Array<ArrayBuffer>) => void
  onPlaying: () => void
  /** The pictures stopped and are asked for again. */
  onStalled: () => void
  pace?: MjpegPace
}

/** Plays until the returned function is called. */
export function playMjpeg(options: MjpegOptions): () => void {
  const stop = new AbortController()
  void run(options, stop.signal)
  return () => stop.abort()
}

async function run(options: MjpegOptions, signal: AbortSignal): Promise<void> {
  const { againMs } = options.pace ?? PACE
  while (!signal.aborted) {
    await stream(options, signal).catch(() => undefined)
    if (signal.aborted) return
    options.onStalled()
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, againMs)
      signal.addEventListener('abort', () => (clearTimeout(timer), resolve()), { once: true })
    })
  }
}

/** One connection, until it ends or falls silent. */
async function stream({ url, show, onPlaying, pace = PACE }: MjpegOptions, signal: AbortSignal): Promise<void> {
  const silent = new AbortController()
  const either = AbortSignal.any([signal, silent.signal])
  let timer = setTimeout(() => silent.abort(), pace.silentMs)
  try {
    const response = await fetch(url, { cache: 'no-store', signal: either })
    if (!response.ok || response.body === null) throw new Error(`the camera answered ${response.status}`)
    const parts = new Parts()
    let isPlaying = false
    for (const reader = response.body.getReader(); ;) {
      const { done, value } = await reader.read()
      if (done) return
      clearTimeout(timer)
      timer = setTimeout(() => silent.abort(), pace.silentMs)
      // Of several that came together only the newest is worth drawing.
      const jpeg = parts.push(value).at(-1)
      if (jpeg === undefined) continue
      show(jpeg)
      if (!isPlaying) onPlaying()
      isPlaying = true
    }
  } finally {
    clearTimeout(timer)
    silent.abort()
  }
}

/** Cuts a stream into its pictures, however it was cut into pieces on its way. Every part has a content-length. */
export class Parts {
  private held = new Uint8Array(0)

  /** @throws Error when it is no such stream, or a picture larger than any camera makes. */
  push(bytes: Uint8Array): Uint8Array<ArrayBuffer>[] {
    const all = new Uint8Array(this.held.length + bytes.length)
    all.set(this.held)
    all.set(bytes, this.held.length)
    const pictures: Uint8Array<ArrayBuffer>[] = []
    let at = 0
    for (;;) {
      const headEnd = endOfHead(all, at)
      if (headEnd < 0) break
      const head = new TextDecoder().decode(all.subarray(at, headEnd))
      const length = Number(/^content-length: *(\d+)\s*$/im.exec(head)?.[1])
      if (!(length <= PICTURE_BYTES_MAX)) throw new Error('this is no stream of pictures')
      if (all.length < headEnd + length) break
      pictures.push(all.slice(headEnd, headEnd + length))
      at = headEnd + length
    }
    this.held = all.slice(at)
    return pictures
  }
}

/** Where the picture begins; -1: its head is not whole yet. */
function endOfHead(bytes: Uint8Array, from: number): number {
  for (let at = from; at + 3 < bytes.length; at++) {
    if (at - from > HEAD_BYTES_MAX) throw new Error('this is no stream of pictures')
    if (bytes[at] === 13 && bytes[at + 1] === 10 && bytes[at + 2] === 13 && bytes[at + 3] === 10) return at + 4
  }
  return -1
}
