import { readdirSync, readFileSync } from 'node:fs'

export interface Footprint {
  readonly rssBytes: number
  /** Of its own, without the program's file and shared pages. */
  readonly anonymousBytes: number
  readonly files: number
}

/** Memory and open files of a process (Linux). Null: it does not run. */
export function footprintOf(pid: number): Footprint | null {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    const bytes = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0) * 1024
    return { rssBytes: bytes('VmRSS'), anonymousBytes: bytes('RssAnon'), files: readdirSync(`/proc/${pid}/fd`).length }
  } catch {
    return null
  }
}

/** Looks every so often until stopped, and keeps the largest of each. */
export function watchFootprint(pid: number, everyMs = 200): { stop(): Footprint } {
  let [rssBytes, anonymousBytes, files] = [0, 0, 0]
  const look = () => {
    const now = footprintOf(pid)
    if (now === null) return
    rssBytes = Math.max(rssBytes, now.rssBytes)
    anonymousBytes = Math.max(anonymousBytes, now.anonymousBytes)
    files = Math.max(files, now.files)
  }
  look()
  const timer = setInterval(look, everyMs)
  return {
    stop: () => {
      clearInterval(timer)
      look()
      return { rssBytes, anonymousBytes, files }
    },
  }
}
