import type { RingCard } from '@thatdam/control/roster-merge'
import { foldRoster, recordHash, type Roster, type VerifyRoster } from '@thatdam/control/roster'
import { elect } from '@thatdam/plan/election/elect'
import type { PlannedNode } from '@thatdam/plan/roster-view'
import { jsonHash } from '@thatdam/oplog/hash'
import type { GenesisRecord, RosterBody, RosterRecord } from '@thatdam/protocol/roster'

/** Records by their hash and signer, in the order in which a node came to know them. Never changed in place. */
export type Records = ReadonlyMap<string, RosterRecord>

/** What a node makes of the records it has, for the ring it is in. */
export interface RingView {
  readonly fingerprint: string
  readonly roster: Roster
  /** Ids of the members, in order. */
  readonly members: readonly string[]
  /** Those that may lead, best first. */
  readonly ranking: readonly string[]
  readonly admitters: readonly string[]
  /** Who may sign, or once might, what a person decides: also of rings that have gone over to this one. */
  readonly editors: ReadonlySet<string>
  /** Ids of the records, and one text for the set of them. */
  readonly ids: readonly string[]
  readonly digest: string
}

export type Fold = typeof foldRoster
/** A ring of 1,000 has few different rosters in a run; this bounds those of a run that goes wrong. */
const VIEWS_MAX = 4_096

export const keyOf = (nodeId: string): string => `key of ${nodeId}`

const hashes = new WeakMap<RosterBody, string>()
export function hashOf(body: RosterBody): string {
  const known = hashes.get(body)
  if (known !== undefined) return known
  const hash = recordHash(body)
  hashes.set(body, hash)
  return hash
}

export const idOf = (record: RosterRecord): string => `${hashOf(record.body)} ${record.signer}`

/** A signature that fits who made it and what it is over; the real one is not what is tried here, and slow. */
export const sign = (nodeId: string, body: RosterBody): RosterRecord => ({
  body,
  signer: keyOf(nodeId),
  signature: `${keyOf(nodeId)} over ${hashOf(body)}`,
})
export const verifyFake: VerifyRoster = (_domain, value, signature, publicKey) =>
  signature === `${publicKey} over ${hashOf(value as unknown as RosterBody)}`

export const withRecords = (records: Records, more: Iterable<RosterRecord>): Records => {
  let next: Map<string, RosterRecord> | null = null
  for (const record of more) {
    const id = idOf(record)
    if (!(next ?? records).has(id)) next = (next ?? new Map(records)).set(id, record)
  }
  return next ?? records
}

/** The ring's founding record, and the admissions of those that were in it from the start. */
export function foundRing(index: number, members: readonly string[], admitters: number): { fingerprint: string; records: Records } {
  const [founder = ''] = members
  const clusterId = `51510000-0000-4000-8000-${String(index).padStart(12, '0')}`
  const body: GenesisRecord['body'] = {
    kind: 'genesis',
    version: 1,
    clusterId,
    founder: { nodeId: founder, publicKey: keyOf(founder), bootCounter: 0 },
    ownerRecoveryKey: null,
    createdAtMs: 0,
    nonce: String(index),
  }
  const fingerprint = hashOf(body)
  const admissions = members
    .slice(1)
    .map((nodeId, place) => admission(founder, nodeId, { clusterId, previous: fingerprint }, place < admitters - 1))
  return { fingerprint, records: withRecords(new Map(), [sign(founder, body), ...admissions]) }
}

export function admission(
  by: string,
  nodeId: string,
  { clusterId, previous }: { clusterId: string; previous: string },
  admitter = false,
): RosterRecord {
  return sign(by, { kind: 'admission', version: 1, clusterId, nodeId, publicKey: keyOf(nodeId), bootCounter: 0, admitter, previous })
}

/** The fold of each set of records, made once: that it does not depend on their order is looked at when a run ends. */
export class RosterBook {
  private readonly views = new Map<string, RingView>()
  private readonly bySet = new WeakMap<Records, Map<string, RingView>>()
  private readonly fold: Fold
  readonly machineOf: (nodeId: string) => PlannedNode
  /** What is proven of each ring, by its fingerprint. */
  readonly cards = new Map<string, RingCard>()

  constructor(fold: Fold, machineOf: (nodeId: string) => PlannedNode) {
    this.fold = fold
    this.machineOf = machineOf
  }

  view(records: Records, fingerprint: string): RingView {
    const ofSet = this.bySet.get(records) ?? new Map<string, RingView>()
    this.bySet.set(records, ofSet)
    const known = ofSet.get(fingerprint)
    if (known !== undefined) return known
    const sorted = [...records.keys()].toSorted()
    const digest = jsonHash(sorted)
    const key = `${fingerprint} ${digest}`
    const view = this.views.get(key) ?? this.make(records, fingerprint, sorted, digest)
    if (this.views.size < VIEWS_MAX) this.views.set(key, view)
    ofSet.set(fingerprint, view)
    return view
  }

  card(fingerprint: string): RingCard {
    const card = this.cards.get(fingerprint)
    if (card === undefined) throw new RangeError(`no ring ${fingerprint}`)
    return card
  }

  foldOf(records: Records, fingerprint: string): Roster {
    return this.fold([...records.values()], fingerprint, verifyFake, hashOf)
  }

  private make(records: Records, fingerprint: string, sorted: readonly string[], digest: string): RingView {
    const roster = this.foldOf(records, fingerprint)
    const members = [...roster.members.keys()]
    const nodes = [...roster.members.values()].map((member) => {
      return { ...this.machineOf(member.nodeId), bootCounter: member.bootCounter, alive: true }
    })
    return {
      fingerprint,
      roster,
      members,
      ranking: elect({ clusterId: roster.clusterId, nodes }).ranking,
      admitters: members.filter((nodeId) => roster.members.get(nodeId)?.admitter === true),
      editors: new Set([...editorsOf(roster), ...this.editorsOfLost(records, fingerprint)]),
      ids: sorted,
      digest,
    }
  }

  /** Of rings that have gone over to this one, directly or by way of another. */
  private editorsOfLost(records: Records, fingerprint: string): string[] {
    const others = [...records.values()]
      .filter(({ body }) => body.kind === 'genesis' && hashOf(body) !== fingerprint)
      .map(({ body }) => this.foldOf(records, hashOf(body)))
    const found = new Set([fingerprint])
    for (let before = 0; before !== found.size;) {
      before = found.size
      for (const roster of others) if (roster.forward !== null && found.has(roster.forward.fingerprint)) found.add(roster.fingerprint)
    }
    return others.filter((roster) => found.has(roster.fingerprint)).flatMap(editorsOf)
  }
}

function editorsOf(roster: Roster): string[] {
  const former = [...roster.removed].filter(([, removed]) => removed.admitter).map(([nodeId]) => nodeId)
  return [...[...roster.members.values()].filter((member) => member.admitter).map((member) => member.nodeId), ...former]
}

/**
 * Who is a member, found the slow and plain way: for rings in which only the founder removes. A record counts when its signer is an admitter whose
 * admission counts, and, if the founder removed that one, the founder had seen the record; a removed node is a member again only by an
 * admission made in sight of its removal.
 */
export function dumbMembers(records: Records, fingerprint: string): string[] {
  const all = [...records.values()].map(({ body, signer }) => ({ hash: hashOf(body), body, signer }))
  const genesis = all.find(({ hash }) => hash === fingerprint)?.body
  if (genesis?.kind !== 'genesis') return []
  const { founder } = genesis
  const removals = all.flatMap(({ hash, body, signer }) =>
    body.kind === 'removal' && signer === founder.publicKey ? [{ hash, nodeId: body.nodeId, seen: body.seen }] : [],
  )
  const admittersKeys = new Map([[founder.publicKey, founder.nodeId]])
  const members = new Set([founder.nodeId])
  for (let before = -1; before !== admittersKeys.size + members.size;) {
    before = admittersKeys.size + members.size
    for (const { hash, body, signer } of all) {
      if (body.kind !== 'admission' || body.clusterId !== genesis.clusterId) continue
      const by = admittersKeys.get(signer)
      if (by === undefined || removals.some((removal) => removal.nodeId === by && !removal.seen.includes(hash))) continue
      if (body.admitter) admittersKeys.set(body.publicKey, body.nodeId)
      if (!removals.some((removal) => removal.nodeId === body.nodeId && body.previous !== removal.hash)) members.add(body.nodeId)
    }
  }
  return [...members].toSorted()
}
