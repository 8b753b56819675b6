/* Numbers and times as people read them. Everything here is pure. */

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'] as const

/** Decimal units, as disks are sold: 34.8 MB. */
export function bytes(amount: number): string {
  let value = Math.max(0, amount)
  let unit = 0
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000
    unit++
  }
  const digits = unit === 0 || value >= 99.5 ? 0 : 1
  return `${value.toFixed(digits)} ${UNITS[unit] ?? 'B'}`
}

const pad = (n: number): string => String(n).padStart(2, '0')

/** 0:42, 5:18, 1:02:07. */
export function clock(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000))
  const hours = Math.floor(seconds / 3600)
  const minutes = Math.floor(seconds / 60) % 60
  return hours > 0 ? `${hours}:${pad(minutes)}:${pad(seconds % 60)}` : `${minutes}:${pad(seconds % 60)}`
}

/** Coarse, for what is left: "16 min", "2 h 5 min", "3 days". */
export function span(seconds: number): string {
  if (seconds < 60) return `${Math.max(1, Math.round(seconds))} s`
  const minutes = Math.round(seconds / 60)
  if (minutes < 60) return `${minutes} min`
  if (minutes < 48 * 60) return minutes % 60 === 0 ? `${minutes / 60} h` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`
  return `${Math.round(minutes / 1440)} days`
}

/** Contact age: "just now", "8 s ago", "1 h 30 min ago". */
export function age(thenMs: number, nowMs: number): string {
  const seconds = Math.round((nowMs - thenMs) / 1000)
  return seconds < 2 ? 'just now' : `${span(seconds)} ago`
}

export function count(n: number, one: string, many: string): string {
  return `${n.toLocaleString('en')} ${n === 1 ? one : many}`
}

/** A picture's own local time where it tells its zone, else this browser's. */
export function dateTime(ms: number, zone: string | null): string {
  const offset = zone === null ? null : /^([+-])(\d\d):(\d\d)$/.exec(zone)
  const options: Intl.DateTimeFormatOptions = { dateStyle: 'medium', timeStyle: 'short' }
  if (offset === null) return new Intl.DateTimeFormat('en-GB', options).format(ms)
  const shiftMs = (offset[1] === '-' ? -1 : 1) * (Number(offset[2]) * 60 + Number(offset[3])) * 60_000
  return new Intl.DateTimeFormat('en-GB', { ...options, timeZone: 'UTC' }).format(ms + shiftMs)
}

export function day(ms: number): string {
  return new Intl.DateTimeFormat('en-GB', { weekday: 'short', day: 'numeric', month: 'long', year: 'numeric' }).format(ms)
}
