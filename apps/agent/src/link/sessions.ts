import type { LinkBody } from '@thatdam/protocol/node-link'

/** Datagrams may overtake each other by so many. */
const WINDOW = 32
/** Earlier runs of one peer that are known to be over. */
const RETIRED_MAX = 16

interface Peer {
  session: string
  /** It answers nothing any more: it may be over. */
  doubted: boolean
  /** Greatest count seen, and which of the WINDOW before it. */
  highest: number
  seen: number
  readonly retired: string[]
}

/**
 * - `take`: fresh, from this very run of the sender, meant for this very run of ours.
 * - `answer`: it does not know our session, or knows one that is over: tell it ours, and believe nothing else.
 * - `drop`: said before, or by a run that is over.
 */
export type Verdict = 'take' | 'answer' | 'drop'

/**
 * Which signed datagrams count: pure, of one run of this node. Two random names, one drawn by each side at its start, are in every datagram, so
 * that a recording of it is worth nothing once either side has started again, and a count makes each good once. It needs no clock.
 *
 *     a ── to: ? ──────────▶ b        b learns nothing: it may be a recording
 *     a ◀─ to: a, from: b ── b        a learns b's session
 *     a ── to: b, message ─▶ b        b learns a's session
 */
export class Sessions {
  readonly own: string
  private readonly peers = new Map<string, Peer>()
  private count = 0

  /** @param own 16 random hex digits. */
  constructor(own: string) {
    this.own = own
  }

  /** The present session of a peer; null while it is not known. */
  of(nodeId: string): string | null {
    const known = this.peers.get(nodeId)
    return known === undefined || known.doubted ? null : known.session
  }

  /** Of the next datagram: no two of one run are equal. */
  nextCount(): number {
    this.count += 1
    return this.count
  }

  /** @param body of a member, its signature verified. */
  judge(body: Pick<LinkBody, 'from' | 'session' | 'to' | 'count'>): Verdict {
    if (body.to !== this.own) return 'answer'
    const known = this.peers.get(body.from)
    if (known === undefined) {
      this.peers.set(body.from, { session: body.session, doubted: false, highest: body.count, seen: 0, retired: [] })
      return 'take'
    }
    if (known.session === body.session) {
      if (!isFresh(known, body.count)) return 'drop'
      known.doubted = false
      return 'take'
    }
    if (known.retired.includes(body.session)) return 'drop'
    known.retired.unshift(known.session)
    known.retired.length = Math.min(known.retired.length, RETIRED_MAX)
    Object.assign(known, { session: body.session, doubted: false, highest: body.count, seen: 0 })
    return 'take'
  }

  /** It does not answer: it may have started again, so it is asked. What was seen of it stays seen. */
  doubt(nodeId: string): void {
    const known = this.peers.get(nodeId)
    if (known !== undefined) known.doubted = true
  }

  /** Those who left the ring. */
  keepOnly(members: ReadonlySet<string>): void {
    for (const nodeId of this.peers.keys()) if (!members.has(nodeId)) this.peers.delete(nodeId)
  }
}

function isFresh(peer: Peer, count: number): boolean {
  const ahead = count - peer.highest
  if (ahead > 0) {
    // Bit n: the count n + 1 below the highest was seen.
    peer.seen = ahead > WINDOW ? 0 : ahead === WINDOW ? 1 << (WINDOW - 1) : (peer.seen << ahead) | (1 << (ahead - 1))
    peer.highest = count
    return true
  }
  const bit = -ahead - 1
  if (bit < 0 || bit >= WINDOW || (peer.seen & (1 << bit)) !== 0) return false
  peer.seen |= 1 << bit
  return true
}
