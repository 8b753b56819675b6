import { Discovery } from '@thatdam/protocol/cluster'
import { namedLeader, nextLeader, type Heard, type KnownRing } from './next-leader.tsx'

export interface RoamPace {
  /** The page's own machine is asked this often, while it is silent three times as often, and may take this long to answer. */
  askMs: number
  answerMsMax: number
  /** Silent for longer than this: the others are asked. */
  silentMs: number
}
export const ROAM_PACE: RoamPace = { askMs: 1_000, answerMsMax: 1_200, silentMs: 1_500 }
/** An answer is a few hundred bytes; nobody sends more. */
const ANSWER_CHARS_MAX = 4_096

/** What the page shows of it. Null: all is well. */
export type Roaming = { from: string; isSilent: boolean; goingTo: string | null } | null

export interface RoamerPorts {
  /** Null until the page knew its ring. */
  ring(): KnownRing | null
  /** The console answered the last question; a machine that leads no longer may still say that it lives. */
  connected(): boolean
  /** Address of the page's own machine. */
  readonly home: string
  /** By the ring's name the page stays where it is. */
  readonly stays: boolean
  readonly pace: RoamPace
  show(roaming: Roaming): void
  /** Leaves the page. */
  go(url: string): void
  nowMs(): number
}

/**
 * Watches the machine that the page was opened at:
 *
 *   answers, leads ── silent for 1.5 s ──▶ asks the others ── one says that it leads ──▶ goes there
 *        │  ▲                                    │                                        ▲
 *        │  └──────────── answers again ─────────┘                                        │
 *        └── has no console any more, and names its leader ───────────────────────────────┘
 */
export async function roam(ports: RoamerPorts, signal: AbortSignal): Promise<void> {
  let heardMs = ports.nowMs()
  while (!signal.aborted) {
    const own = await ask(ports.home, ports.pace, signal)
    const now = ports.nowMs()
    if (own !== null) heardMs = now
    const ring = ports.ring()
    const isSilent = now - heardMs > ports.pace.silentMs
    if (ring !== null && (isSilent || (own !== null && !ports.connected()))) {
      if (isSilent) ports.show({ from: ring.here.name, isSilent, goingTo: null })
      const next = ports.stays ? null : own === null ? await lookAround(ports, ring, signal) : namedLeader(ring, own)
      if (next !== null && !signal.aborted) {
        ports.show({ from: ring.here.name, isSilent, goingTo: next.name })
        ports.go(next.url)
        return
      }
    }
    if (own !== null) ports.show(null)
    const pauseMs = own === null ? ports.pace.askMs / 3 : ports.pace.askMs
    await wait(pauseMs * (0.85 + Math.random() * 0.3), signal)
  }
}

async function lookAround(ports: RoamerPorts, ring: KnownRing, signal: AbortSignal): Promise<ReturnType<typeof nextLeader>> {
  const answers = await Promise.all(ring.others.map(async ({ url }) => ({ url, discovery: await ask(url, ports.pace, signal) })))
  return nextLeader(
    ring,
    answers.filter((one): one is Heard => one.discovery !== null),
  )
}

/** Null: no answer in time, or none that a machine of ours gives. */
async function ask(url: string, pace: RoamPace, signal: AbortSignal): Promise<Discovery | null> {
  try {
    const response = await fetch(`${url}/discovery`, {
      cache: 'no-store',
      credentials: 'omit',
      redirect: 'error',
      signal: AbortSignal.any([signal, AbortSignal.timeout(pace.answerMsMax)]),
    })
    const text = await response.text()
    if (!response.ok || text.length > ANSWER_CHARS_MAX) return null
    return Discovery.parse(JSON.parse(text))
  } catch {
    return null
  }
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
