/** What a system says about following a time server. */
export interface TimeService {
  readonly enabled: boolean
  readonly synchronized: boolean
}

/** `timedatectl show`; null when it says neither (an older one, or no systemd). */
export function parseTimedatectl(text: string): TimeService | null {
  const value = (name: string) => new RegExp(`^${name}=(yes|no)$`, 'm').exec(text)?.[1]
  const [enabled, synchronized] = [value('NTP'), value('NTPSynchronized')]
  if (enabled === undefined && synchronized === undefined) return null
  return { enabled: enabled !== 'no', synchronized: synchronized === 'yes' }
}

/** `chronyc tracking`; null when its daemon does not answer. */
export function parseChrony(text: string): TimeService | null {
  const leap = /^Leap status\s*:\s*(.+)$/m.exec(text)?.[1]
  return leap === undefined ? null : { enabled: true, synchronized: !/not synchroni/i.test(leap) }
}

/**
 * `w32tm /query /status` in any language: the first line is the leap indicator (3: not synchronised), the second the stratum (0: none; 1 with
 * the local clock as its source is none either).
 */
export function parseW32tm(text: string, code: number | null): TimeService | null {
  // 0x80070426: the service was not started. Asking needs no rights, so that this is what its absence looks like.
  if (/0x80070426/i.test(text)) return { enabled: false, synchronized: false }
  const [leap, stratum] = text
    .split(/\r?\n/)
    .filter((line) => line.includes(':'))
    .map((line) => Number(/:\s*(\d+)/.exec(line)?.[1] ?? Number.NaN))
  if (code !== 0 || leap === undefined || stratum === undefined || Number.isNaN(leap)) return null
  return { enabled: true, synchronized: leap !== 3 && stratum !== 0 && !/Local CMOS Clock|Free-running/i.test(text) }
}

/** `sntp SERVER` asks and sets nothing: `+0.012345 +/- 0.034567 time.apple.com …`. Seconds that this clock must be moved by; null: no answer. */
export function parseSntpSeconds(text: string): number | null {
  const seconds = /^([+-]\d+(?:\.\d+)?) \+\/- \d/m.exec(text)?.[1]
  return seconds === undefined ? null : Number(seconds)
}
