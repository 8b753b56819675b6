import { readFileSync } from 'node:fs'

/** Waits until `holds` gives something, at most `limitMs`. @throws with the description when it does not. */
export async function until<T>(what: string, holds: () => T | Promise<T>, limitMs = 10_000): Promise<Exclude<T, null | undefined | false>> {
  const endsAtMs = Date.now() + limitMs
  for (;;) {
    const value = await holds()
    if (value !== null && value !== undefined && value !== false) return value as Exclude<T, null | undefined | false>
    if (Date.now() > endsAtMs) throw new Error(`after ${limitMs} ms still not: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

/** A process that ended but was not fetched by its parent (a zombie) does not run. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2)[0] !== 'Z'
  } catch {
    return false
  }
}
