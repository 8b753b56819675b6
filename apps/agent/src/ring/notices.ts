const KEPT_MS = 24 * 3_600_000
const NOTICES_MAX = 16

/** What happened in the ring that its owner should see: shown beside this machine for a day after it happened last. */
export class Notices {
  private readonly seenAtMs = new Map<string, number>()

  /** `sentence`: says what to do. The same again is one notice. @returns whether it is a new one. */
  add(sentence: string, nowMs: number): boolean {
    const isNew = !this.current(nowMs).includes(sentence)
    // Moved to the end: the oldest goes first.
    this.seenAtMs.delete(sentence)
    this.seenAtMs.set(sentence, nowMs)
    if (this.seenAtMs.size > NOTICES_MAX) for (const oldest of this.seenAtMs.keys()) if (this.seenAtMs.delete(oldest)) break
    return isNew
  }

  /** Newest first. `nowMs`: of a clock that does not jump. */
  current(nowMs: number): readonly string[] {
    for (const [sentence, atMs] of this.seenAtMs) if (nowMs - atMs >= KEPT_MS) this.seenAtMs.delete(sentence)
    return [...this.seenAtMs.keys()].toReversed()
  }
}
