import type { Quotas } from '@thatdam/protocol/plan'

type QuietHours = Quotas['quietHours']

const DAY_MINUTES = 1_440
const MINUTE_MS = 60_000
const TIME = /^([01]\d|2[0-3]):([0-5]\d)$/

/** Minute of the local day, 0–1439. `utcOffsetMinutes` is given by the node: time zones are not computed here. */
export const localMinute = (nowMs: number, utcOffsetMinutes: number): number => modulo(Math.floor(nowMs / MINUTE_MS) + utcOffsetMinutes)

/**
 * Does background work run at full speed at this minute? Always without quiet hours, or with ones that are no times of a day; else from `from`
 * up to, not including, `to`, over midnight if `to` is earlier.
 */
export function isFullSpeed(hours: QuietHours, minute: number): boolean {
  const window = windowOf(hours)
  if (window === null) return true
  const { from, to } = window
  return from < to ? minute >= from && minute < to : minute >= from || minute < to
}

/** When full speed begins or ends next, strictly after `nowMs`; Infinity when never. */
export function nextChangeMs(hours: QuietHours, nowMs: number, utcOffsetMinutes: number): number {
  const window = windowOf(hours)
  if (window === null) return Infinity
  const minute = localMinute(nowMs, utcOffsetMinutes)
  const ahead = Math.min(...[window.from, window.to].map((edge) => modulo(edge - minute) || DAY_MINUTES))
  return (Math.floor(nowMs / MINUTE_MS) + ahead) * MINUTE_MS
}

function windowOf(hours: QuietHours): { from: number; to: number } | null {
  const from = minuteOf(hours?.from)
  const to = minuteOf(hours?.to)
  return from === null || to === null || from === to ? null : { from, to }
}

function minuteOf(text: string | undefined): number | null {
  const [, hour, minute] = TIME.exec(text ?? '') ?? []
  return hour === undefined || minute === undefined ? null : Number(hour) * 60 + Number(minute)
}

const modulo = (minute: number): number => ((minute % DAY_MINUTES) + DAY_MINUTES) % DAY_MINUTES
