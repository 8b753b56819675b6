/*
 * A viewer by WHEP (RFC draft: one POST with our offer, the answer in 201, DELETE on Location ends it).
 *
 *   connecting ── answer, track, frames ─▶ playing ── frames stop ─▶ connecting (POST again)
 *        ├── no answer: the machine or its camera is away ─▶ connecting, every other second
 *        └── twice an answer and no frame ─▶ at rest for a minute ─▶ connecting
 */

const GATHER_MS_MAX = 1_000
const FIRST_FRAME_MS_MAX = 6_000
const FRAMES_STOPPED_MS = 3_000
const CHECK_MS = 500
const AGAIN_MS = 300
const AWAY_MS = 2_000
/** After so many answers without a frame WebRTC does not come through here, and is tried only now and then. */
const TRIES_AT_ONCE = 2
const AT_REST_MS = 60_000
const POST_MS_MAX = 8_000

export interface WhepOptions {
  url: string
  video: HTMLVideoElement
  /** A frame was drawn after connecting. */
  onPlaying: () => void
  /** There is no picture: it stopped, or did not come, and is asked for again. */
  onStalled: () => void
}

/** Plays, or tries to, until the returned function is called. */
export function playWhep(options: WhepOptions): () => void {
  const stop = new AbortController()
  void run(options, stop.signal)
  return () => stop.abort()
}

async function run(options: WhepOptions, signal: AbortSignal): Promise<void> {
  let without = 0
  while (!signal.aborted) {
    const sawFrames = await session(options, signal).catch(() => null)
    if (signal.aborted) return
    options.onStalled()
    if (sawFrames !== null) without = sawFrames ? 0 : without + 1
    const pauseMs = sawFrames === null ? AWAY_MS : without < TRIES_AT_ONCE ? AGAIN_MS : AT_REST_MS
    await wait(pauseMs + Math.random() * 400, signal)
  }
}

/** One connection, until its frames stop. @returns whether there were any. @throws when nothing answers. */
async function session({ url, video, onPlaying }: WhepOptions, signal: AbortSignal): Promise<boolean> {
  const connection = new RTCPeerConnection({ iceServers: [] })
  let location: string | null = null
  let frames = 0
  try {
    connection.addTransceiver('video', { direction: 'recvonly' })
    connection.addEventListener('track', (event) => {
      video.srcObject = event.streams[0] ?? new MediaStream([event.track])
      void video.play().catch(() => undefined)
    })
    location = await negotiate(connection, url, signal)
    const startedAt = performance.now()
    let seenAt = startedAt
    while (!signal.aborted) {
      await wait(CHECK_MS, signal)
      const decoded = await framesDecoded(connection)
      const now = performance.now()
      if (decoded > frames) {
        if (frames === 0) onPlaying()
        frames = decoded
        seenAt = now
      }
      const limit = frames === 0 ? FIRST_FRAME_MS_MAX : FRAMES_STOPPED_MS
      if (now - seenAt > limit || connection.connectionState === 'failed') return frames > 0
    }
    return frames > 0
  } finally {
    connection.close()
    if (location !== null) void fetch(location, { method: 'DELETE', keepalive: true }).catch(() => undefined)
  }
}

async function negotiate(connection: RTCPeerConnection, url: string, signal: AbortSignal): Promise<string | null> {
  await connection.setLocalDescription(await connection.createOffer())
  await gathered(connection)
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/sdp' },
    body: connection.localDescription?.sdp ?? '',
    signal: AbortSignal.any([signal, AbortSignal.timeout(POST_MS_MAX)]),
  })
  if (response.status !== 201) throw new Error(`WHEP answered ${response.status}`)
  await connection.setRemoteDescription({ type: 'answer', sdp: await response.text() })
  const place = response.headers.get('location')
  return place === null ? null : new URL(place, new URL(url, window.location.href)).href
}

/** On a network of one's own the host candidates are there at once. */
function gathered(connection: RTCPeerConnection): Promise<void> {
  if (connection.iceGatheringState === 'complete') return Promise.resolve()
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, GATHER_MS_MAX)
    connection.addEventListener('icegatheringstatechange', () => {
      if (connection.iceGatheringState !== 'complete') return
      clearTimeout(timer)
      resolve()
    })
  })
}

async function framesDecoded(connection: RTCPeerConnection): Promise<number> {
  let frames = 0
  const stats = await connection.getStats()
  stats.forEach((report: { type: string; kind?: string; framesDecoded?: number }) => {
    if (report.type === 'inbound-rtp' && report.kind === 'video') frames = report.framesDecoded ?? 0
  })
  return frames
}

function wait(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms)
    signal.addEventListener(
      'abort',
      () => {
        clearTimeout(timer)
        resolve()
      },
      { once: true },
    )
  })
}
