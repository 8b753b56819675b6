import type { LogSummary } from '@thatdam/protocol/op-sync'

/** Peers whose word is remembered; a ring is smaller. */
const PEERS_MAX = 1024

/** What other machines hold of this node's own logs: each has it fsynced before it says so. A peer's newest word replaces the one before. */
export class Acknowledged {
  readonly #byPeer = new Map<string, { logs: Map<string, LogSummary>; toldAll: boolean }>()

  /**
   * @param logs of this node's own, as the peer holds them; `about`: the logs it was asked about, so that one it left out is one it has nothing of.
   * @returns whether anything is new.
   */
  heard(peer: string, logs: readonly LogSummary[], about: 'all' | readonly string[]): boolean {
    const known = this.#byPeer.get(peer) ?? { logs: new Map<string, LogSummary>(), toldAll: false }
    const told = new Map(logs.map((log) => [log.logId, log]))
    let isNew = false
    for (const logId of new Set([...told.keys(), ...(about === 'all' ? known.logs.keys() : about)])) {
      const [before, now] = [known.logs.get(logId), told.get(logId) ?? nothingOf(logId)]
      if (before?.sequence === now.sequence && before.batches === now.batches && before.head === now.head) continue
      known.logs.set(logId, now)
      isNew = true
    }
    this.#byPeer.delete(peer)
    this.#byPeer.set(peer, { logs: known.logs, toldAll: known.toldAll || about === 'all' })
    const oldest = this.#byPeer.keys().next()
    if (this.#byPeer.size > PEERS_MAX && oldest.done !== true) this.#byPeer.delete(oldest.value)
    return isNew
  }

  /** The sequence up to which a peer holds this own log; null: it never said. */
  heightAt(peer: string, mine: LogSummary): number | null {
    const known = this.#byPeer.get(peer)
    const theirs = known?.logs.get(mine.logId)
    return theirs === undefined && known?.toldAll !== true ? null : heightOf(theirs, mine)
  }

  /** The sequence up to which any other machine holds this own log. */
  height(mine: LogSummary): number {
    let highest = 0
    for (const { logs } of this.#byPeer.values()) highest = Math.max(highest, heightOf(logs.get(mine.logId), mine))
    return highest
  }
}

const nothingOf = (logId: string): LogSummary => ({ logId, scope: 'ring', sequence: 0, batches: 0, head: '' })

function heightOf(theirs: LogSummary | undefined, mine: LogSummary): number {
  if (theirs === undefined) return 0
  // Where the log forked, or at one height on two branches, a height says nothing of which batches it counts.
  const isForked = mine.batches !== mine.sequence || theirs.batches !== theirs.sequence
  const differs = theirs.sequence === mine.sequence && theirs.head !== mine.head
  if (!isForked && !differs) return Math.min(theirs.sequence, mine.sequence)
  return theirs.sequence === mine.sequence && theirs.batches === mine.batches && theirs.head === mine.head ? mine.sequence : 0
}
