/** Runs `work` at the given milliseconds after now, then every `everyMs` ± 10 % (so that nodes started together part). @returns how to stop. */
export function repeat(work: () => void, atMs: readonly number[], everyMs: number): () => void {
  const timers = new Set<NodeJS.Timeout>()
  const later = (delayMs: number, then: () => void) => {
    const timer = setTimeout(() => {
      timers.delete(timer)
      then()
    }, delayMs)
    timers.add(timer)
  }
  const again = () => later(everyMs * (0.9 + Math.random() * 0.2), () => (work(), again()))
  for (const delayMs of atMs) later(delayMs, work)
  later(atMs.at(-1) ?? 0, again)
  return () => {
    for (const timer of timers) clearTimeout(timer)
    timers.clear()
  }
}
