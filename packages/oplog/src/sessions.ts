import { canonicalJson } from '@thatdam/protocol/canonical'
import type { OpFeedEntry } from '@thatdam/protocol/local'
import type { OpOf } from '@thatdam/protocol/ops'

/** More than these are not kept: those that end last stay. */
export const SESSIONS_MAX = 10_000

export type RingSession = {
  readonly cookieHash: string
  readonly sessionKind: OpOf<'session.started'>['sessionKind']
  readonly displayName: string
  readonly expiresAtMs: number
}
type Start = RingSession & { readonly id: string; readonly hlc: string; readonly seenEnd: string | null }
type Stamp = { readonly id: string; readonly hlc: string }

/** By the hash of the cookie. `ended`: until when it must be known that a session ended. `endOfAll`: the newest end of all sessions. */
export type Sessions = {
  readonly starts: ReadonlyMap<string, Start>
  readonly ended: ReadonlyMap<string, number>
  readonly endOfAll: Stamp | null
}
export const NO_SESSIONS: Sessions = { starts: new Map(), ended: new Map(), endOfAll: null }

const isEarlier = (a: Stamp, b: Stamp): boolean => (a.hlc === b.hlc ? a.id < b.id : a.hlc < b.hlc)
/** Of two ops with one id and stamp (only a forger makes such) the smaller text goes first. */
const isFirst = (a: Start, b: Start): boolean => (a.id === b.id && a.hlc === b.hlc ? canonicalJson(a) < canonicalJson(b) : isEarlier(a, b))

/** Takes sign-ins and sign-outs in. Order, repeats and parts make no difference. */
export function addSessions(before: Sessions, entries: Iterable<OpFeedEntry>): Sessions {
  const starts = new Map(before.starts)
  const ended = new Map(before.ended)
  let { endOfAll } = before
  for (const { op } of entries) {
    const { body, id, hlc } = op
    if (body.kind === 'session.started') {
      const { cookieHash, sessionKind, displayName, expiresAtMs, seenEnd } = body
      const start = { id, hlc, cookieHash, sessionKind, displayName, expiresAtMs, seenEnd }
      const known = starts.get(cookieHash)
      // A cookie starts once: a second start could only lengthen what was promised to end.
      if (known === undefined || isFirst(start, known)) starts.set(cookieHash, start)
    } else if (body.kind === 'session.ended' && body.cookieHash === 'all') {
      if (endOfAll === null || isEarlier(endOfAll, { id, hlc })) endOfAll = { id, hlc }
    } else if (body.kind === 'session.ended') {
      ended.set(body.cookieHash, Math.max(ended.get(body.cookieHash) ?? 0, body.expiresAtMs ?? Number.MAX_SAFE_INTEGER))
    }
  }
  return { starts, ended, endOfAll }
}

/**
 * The sessions that are open. Ending wins: over a start of the same cookie whatever the stamps say, and the end of all over every
 * start that was made unseen of it, on the other side of a cut too: there somebody may have signed in with the password that was changed here.
 */
export function openSessions({ starts, ended, endOfAll }: Sessions, nowMs: number): Map<string, RingSession> {
  const open = new Map<string, RingSession>()
  for (const [cookieHash, { id: _, hlc: __, seenEnd, ...session }] of starts) {
    if (session.expiresAtMs <= nowMs || ended.has(cookieHash) || seenEnd !== (endOfAll?.id ?? null)) continue
    open.set(cookieHash, session)
  }
  return open
}

/** What ended from one state to the next, by the hashes of cookies, or all: each end once, also where the ops behind it came again. */
export function newEnds(before: Sessions, after: Sessions): readonly string[] | 'all' {
  const { endOfAll } = after
  if (endOfAll !== null && (before.endOfAll === null || isEarlier(before.endOfAll, endOfAll))) return 'all'
  return [...after.ended.keys()].filter((cookieHash) => !before.ended.has(cookieHash))
}

/** Forgets what is over, and the soonest to end where there are more than SESSIONS_MAX. `openSessions` says the same as before, from now on. */
export function pruneSessions({ starts, ended, endOfAll }: Sessions, nowMs: number): Sessions {
  const lasting = [...starts.values()].filter((start) => start.expiresAtMs > nowMs)
  const kept = lasting.length <= SESSIONS_MAX ? lasting : lasting.toSorted(byEnd).slice(0, SESSIONS_MAX)
  const stillEnded = [...ended].filter(([, untilMs]) => untilMs > nowMs)
  return { starts: new Map(kept.map((start) => [start.cookieHash, start])), ended: new Map(stillEnded), endOfAll }
}

const byEnd = (a: Start, b: Start): number => b.expiresAtMs - a.expiresAtMs || (a.cookieHash < b.cookieHash ? -1 : 1)
