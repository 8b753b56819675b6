import { Discovery } from '@thatdam/protocol/cluster'
import { leadsNoLonger, nextLeader, type Heard, type KnownRing } from './next-leader.tsx'

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
export type Roaming = { silent: string; goingTo: string | null } | null

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
 *   answers and leads ── silent for 1.5 s, or it names another leader and has no console ─▶ asks the others too
 *        ▲                                                                                      │ one says that it leads
 *        └───────────────────────────── answers again ──────────────────────────────────────────┴─▶ goes there
 */
export async function roam(ports: RoamerPorts, signal: AbortSignal): Promise<void> {
  let heardMs = ports.nowMs()
  while (!signal.aborted) {
    const own = await ask(ports.home, ports.pace, signal)
    const now = ports.nowMs()
    if (own !== null) heardMs = now
    const ring = ports.ring()
    if (ring !== null && isLost(ports, ring, own, now - heardMs)) {
      if (await lookAround(ports, ring, signal)) return
    } else if (own !== null) ports.show(null)
    const pauseMs = own === null ? ports.pace.askMs / 3 : ports.pace.askMs
    await wait(pauseMs * (0.85 + Math.random() * 0.3), signal)
  }
}

function isLost(ports: RoamerPorts, ring: KnownRing, own: Discovery | null, silentMs: number): boolean {
  if (own === null) return silentMs > ports.pace.silentMs
  return !ports.connected() && leadsNoLonger(ring, own)
}

/** @returns whether the page leaves. */
async function lookAround(ports: RoamerPorts, ring: KnownRing, signal: AbortSignal): Promise<boolean> {
  ports.show({ silent: ring.here.name, goingTo: null })
  if (ports.stays) return false
  const answers = await Promise.all(ring.others.map(async ({ url }) => ({ url, discovery: await ask(url, ports.pace, signal) })))
  const next = nextLeader(
    ring,
    answers.filter((one): one is Heard => one.discovery !== null),
  )
  if (next === null || signal.aborted) return false
  ports.show({ silent: ring.here.name, goingTo: next.name })
  ports.go(next.url)
  return true
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
