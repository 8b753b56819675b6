import { existsSync, globSync, writeFileSync } from 'node:fs'

/*
 * Wall clocks of machines under test, set by libfaketime (Debian: libfaketime). Node 26 honours it: Date follows the file, performance.now()
 * does not, as after a real step of the wall clock. A change is taken within a second.
 */

const PLACES = [
  '/usr/lib/*/faketime/libfaketimeMT.so.1',
  '/usr/lib/faketime/libfaketimeMT.so.1',
  '/usr/local/lib/faketime/libfaketimeMT.so.1',
]

/** Null: not installed. */
export function faketimeLibrary(): string | null {
  return process.platform === 'linux' ? (globSync(PLACES).find((file) => existsSync(file)) ?? null) : null
}

export const NO_CLOCKS = 'Wall clocks cannot be set here: libfaketime is not installed (Debian, Ubuntu: apt-get install libfaketime).'

/** The environment of a machine whose clock `setOffset` may change. @throws Error when libfaketime is not installed. */
export function clockEnvironment(file: string): Record<string, string> {
  const library = faketimeLibrary()
  if (library === null) throw new Error(NO_CLOCKS)
  if (!existsSync(file)) setOffset(file, 0)
  return { LD_PRELOAD: library, FAKETIME_TIMESTAMP_FILE: file, FAKETIME_DONT_FAKE_MONOTONIC: '1', FAKETIME_CACHE_DURATION: '1' }
}

export function setOffset(file: string, offsetMs: number): void {
  const seconds = offsetMs / 1000
  writeFileSync(file, `${seconds < 0 ? '' : '+'}${seconds.toFixed(3)}\n`)
}
