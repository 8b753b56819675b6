import type { meetRings, RingCard } from '@thatdam/control/roster-merge'
import type { RosterBody, RosterRecord } from '@thatdam/protocol/roster'
import type { Chance } from './random.ts'
import { admission, foundRing, hashOf, keyOf, sign, withRecords, type Records, type RingView, type RosterBook } from './rosters.ts'

export type RingMessage =
  /** “I am of this ring”, told to whom discovery shows; and the answer, with whom to ask for admission. */
  | { readonly kind: 'card'; readonly card: RingCard; readonly admitters: readonly string[]; readonly isAnswer: boolean }
  /** To an admitter of another ring: may I join? With all that the old ring knew, if it has gone over. */
  | { readonly kind: 'join'; readonly card: RingCard; readonly records: Records }
  | { readonly kind: 'welcome'; readonly fingerprint: string; readonly records: Records }
  /** “These are the records I have.” Whoever has others answers with them. */
  | { readonly kind: 'have'; readonly fingerprint: string; readonly digest: string; readonly ids: readonly string[] }
  | { readonly kind: 'records'; readonly fingerprint: string; readonly records: readonly RosterRecord[] }

export interface RingRules {
  readonly meet: typeof meetRings
}

const SYNC_MS = 3_000
const CARD_MS = 2_000
const JOIN_MS = 1_500
/** A ring of one that a machine founds for itself, until somebody takes it in. */
const OWN_RING = 1_000_000

export interface RingDisk {
  readonly fingerprint: string
  readonly records: Records
}

export interface RingShell {
  readonly nodeId: string
  readonly index: number
  send(to: string, message: RingMessage): void
  /** The roster is another one; `isOtherRing`: it is of another ring altogether. */
  changed(isOtherRing: boolean): void
  /** The roster says that this machine was removed. */
  removed(): void
  /** Somebody whom discovery shows, of any ring. */
  neighbour(): string
}

/** Which ring a node is in, and who else is: its records, and what it does about those of others. */
export class SimRing {
  fingerprint: string
  records: Records
  view: RingView
  private readonly book: RosterBook
  private readonly rules: RingRules
  private readonly chance: Chance
  private readonly shell: RingShell
  private nextSyncAtMs = 0
  private nextCardAtMs = 0
  private nextJoinAtMs = 0
  /** Where to ask for admission, and whom in turn. */
  private goal: { readonly card: RingCard; readonly admitters: readonly string[] } | null = null
  private asked = 0

  constructor(start: RingDisk, book: RosterBook, rules: RingRules, chance: Chance, shell: RingShell) {
    this.fingerprint = start.fingerprint
    this.records = start.records
    this.book = book
    this.rules = rules
    this.chance = chance
    this.shell = shell
    this.view = book.view(start.records, start.fingerprint)
  }

  boot(worldMs: number): void {
    this.nextSyncAtMs = worldMs
    this.nextCardAtMs = worldMs
    this.goal = null
  }

  image(): RingDisk {
    return { fingerprint: this.fingerprint, records: this.records }
  }

  restore({ fingerprint, records }: RingDisk): void {
    this.fingerprint = fingerprint
    this.records = records
    this.view = this.book.view(records, fingerprint)
  }

  tick(worldMs: number, isMeeting: boolean): void {
    if (worldMs >= this.nextSyncAtMs) {
      this.nextSyncAtMs = worldMs + SYNC_MS * (0.75 + this.chance.draw() / 2)
      const { members, ids, digest, fingerprint } = this.view
      const to = members[Math.floor(this.chance.draw() * members.length)]
      if (to !== undefined && to !== this.shell.nodeId) this.shell.send(to, { kind: 'have', fingerprint, digest, ids })
    }
    if (!isMeeting) return
    if (worldMs >= this.nextCardAtMs) {
      this.nextCardAtMs = worldMs + CARD_MS * (0.75 + this.chance.draw() / 2)
      const to = this.shell.neighbour()
      if (!this.view.roster.members.has(to)) this.shell.send(to, this.ownCard(false))
    }
    if (this.goal !== null && worldMs >= this.nextJoinAtMs) this.askToJoin(worldMs, this.goal)
  }

  receive(from: string, message: RingMessage, worldMs: number): void {
    switch (message.kind) {
      case 'card':
        this.onCard(from, message, worldMs)
        return
      case 'join':
        this.onJoin(from, message)
        return
      case 'welcome':
        if (message.fingerprint === this.goal?.card.fingerprint) this.enter(message.fingerprint, message.records)
        return
      case 'have':
        this.onHave(from, message)
        return
      case 'records':
        if (message.fingerprint === this.fingerprint) this.add(message.records)
        return
    }
  }

  /** An admitter's own decision: told to all at once, and to those that miss it at the next comparison. */
  remove(nodeId: string): void {
    const seen = [...this.records.values()].filter((record) => record.signer === keyOf(nodeId)).map((record) => hashOf(record.body))
    this.issue({ kind: 'removal', version: 1, clusterId: this.view.roster.clusterId, nodeId, seen, previous: this.fingerprint })
  }

  admit(nodeId: string, isAdmitter: boolean): void {
    const removal = this.view.roster.removed.get(nodeId)?.record
    const { clusterId } = this.view.roster
    const record = admission(this.shell.nodeId, nodeId, { clusterId, previous: removal ?? this.fingerprint }, isAdmitter)
    this.add([record])
    this.tell([record])
  }

  isAdmitter(): boolean {
    return this.view.roster.members.get(this.shell.nodeId)?.admitter === true
  }

  private ownCard(isAnswer: boolean): RingMessage {
    return { kind: 'card', card: this.book.card(this.fingerprint), admitters: this.view.admitters, isAnswer }
  }

  private onCard(from: string, { card, admitters, isAnswer }: Extract<RingMessage, { kind: 'card' }>, worldMs: number): void {
    const meeting = this.rules.meet(this.book.card(this.fingerprint), card)
    if (meeting === 'go-on') {
      this.showTheWay(from, card)
      if (!isAnswer) this.shell.send(from, this.ownCard(true))
    }
    if (meeting !== 'yield') return
    const isUnclaimed = !this.book.card(this.fingerprint).isClaimed
    const { forward, clusterId } = this.view.roster
    if (forward === null && !isUnclaimed && this.isAdmitter()) {
      const to = { toClusterId: card.clusterId, toFingerprint: card.fingerprint }
      this.issue({ kind: 'forwarding', version: 1, clusterId, ...to, previous: this.fingerprint })
    }
    const isForwarded = isUnclaimed || this.view.roster.forward !== null
    // It may have been away while its ring went over: whoever knows that shows it the way, and has to see its card for that.
    if (!isForwarded && !isAnswer) this.shell.send(from, this.ownCard(true))
    if (!isForwarded || this.goal?.card.fingerprint === card.fingerprint) return
    this.goal = { card, admitters }
    this.nextJoinAtMs = worldMs
  }

  /** A machine of a ring that has come over here, and was away meanwhile: it is shown its own ring's record of that. */
  private showTheWay(to: string, { fingerprint }: RingCard): void {
    const records = [...this.records.values()]
    const isKnown = records.some((record) => hashOf(record.body) === fingerprint)
    if (isKnown) this.shell.send(to, { kind: 'records', fingerprint, records })
  }

  private askToJoin(worldMs: number, { admitters }: { readonly admitters: readonly string[] }): void {
    this.nextJoinAtMs = worldMs + JOIN_MS
    const to = admitters[this.asked++ % Math.max(1, admitters.length)]
    const card = this.book.card(this.fingerprint)
    if (to !== undefined) this.shell.send(to, { kind: 'join', card, records: card.isClaimed ? this.records : new Map() })
  }

  private onJoin(from: string, { card, records }: Extract<RingMessage, { kind: 'join' }>): void {
    if (!this.isAdmitter() || this.rules.meet(this.book.card(this.fingerprint), card) !== 'go-on') return
    if (this.view.roster.removed.has(from)) return
    this.add(records.values())
    if (!this.view.roster.members.has(from)) this.admit(from, false)
    this.shell.send(from, { kind: 'welcome', fingerprint: this.fingerprint, records: this.records })
  }

  private enter(fingerprint: string, records: Records): void {
    if (!this.book.view(records, fingerprint).roster.members.has(this.shell.nodeId)) return
    this.records = this.book.card(this.fingerprint).isClaimed ? withRecords(records, this.records.values()) : records
    this.fingerprint = fingerprint
    this.goal = null
    this.view = this.book.view(this.records, fingerprint)
    this.shell.changed(true)
  }

  private onHave(from: string, { fingerprint, digest, ids }: Extract<RingMessage, { kind: 'have' }>): void {
    if (fingerprint !== this.fingerprint) {
      // One that went over, and was put back to before that, takes its old fellows for members still.
      this.shell.send(from, this.ownCard(false))
      return
    }
    if (digest === this.view.digest) return
    const theirs = new Set(ids)
    const missing = [...this.records].filter(([id]) => !theirs.has(id)).map(([, record]) => record)
    if (missing.length > 0) this.shell.send(from, { kind: 'records', fingerprint, records: missing })
    if (ids.some((id) => !this.records.has(id))) {
      this.shell.send(from, { kind: 'have', fingerprint, digest: this.view.digest, ids: this.view.ids })
    }
  }

  /** One that speaks as if it were a member: if it was one, it is shown how it came to be none. */
  refuse(from: string): void {
    const { fingerprint } = this
    const records = [...this.records.values()]
    if (this.view.roster.removed.has(from)) this.shell.send(from, { kind: 'records', fingerprint, records })
  }

  private issue(body: RosterBody): void {
    const record = sign(this.shell.nodeId, body)
    this.add([record])
    this.tell([record])
  }

  private tell(records: readonly RosterRecord[]): void {
    const { fingerprint } = this
    for (const to of this.view.members) if (to !== this.shell.nodeId) this.shell.send(to, { kind: 'records', fingerprint, records })
  }

  private add(more: Iterable<RosterRecord>): void {
    const next = withRecords(this.records, more)
    if (next === this.records) return
    this.records = next
    const before = this.view
    this.view = this.book.view(next, this.fingerprint)
    if (this.view.roster.members.has(this.shell.nodeId)) this.shell.changed(false)
    else if (this.view.roster.removed.has(this.shell.nodeId)) this.shell.removed()
    // Admitted by one that had no right to: it is on its own again, and asks another.
    else if (before.roster.members.has(this.shell.nodeId)) this.beAlone()
  }

  private beAlone(): void {
    const { fingerprint, records } = ownRing(this.shell.nodeId, this.shell.index, this.book)
    this.restore({ fingerprint, records })
    this.goal = null
    this.shell.changed(true)
  }
}

/** The unclaimed ring of one that a machine is until it joins. */
export function ownRing(nodeId: string, index: number, book: RosterBook): RingDisk {
  const { fingerprint, records } = foundRing(OWN_RING + index, [nodeId], 1)
  const { clusterId } = book.foldOf(records, fingerprint)
  book.cards.set(fingerprint, { clusterId, fingerprint, isClaimed: false, owner: null, isCloudPaired: false, isChosen: false })
  return { fingerprint, records }
}
