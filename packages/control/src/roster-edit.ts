import { ThatdamError } from '@thatdam/protocol/errors'
import { ALSO_MAX, type RosterBody, type RosterRecord, SEEN_MAX } from '@thatdam/protocol/roster'
import { sha256, type Signer } from './keys.ts'
import { RosterLinks, parentsOf } from './roster-links.ts'
import { type Member, recordHash, type Roster } from './roster.ts'

/*
 * Makes the next signed records of a ring. Each names all the newest records that its signer knows (`previous`, `also`), so that its ancestors
 * are what the signer had seen: taking a node back and removing an admitter stand on that.
 */

/** What a signer knows of its ring: the records, the fold of just these, and the key that signs. */
export type RosterDesk = { records: readonly RosterRecord[]; roster: Roster; signer: Signer }
type Later = Exclude<RosterBody, { kind: 'genesis' }>
type Fields = Later extends infer Body ? (Body extends Later ? Omit<Body, 'version' | 'clusterId' | 'previous' | 'also'> : never) : never

/**
 * Admits a machine, or takes one back that was removed: its removals become ancestors.
 * @throws ThatdamError CONFLICT when another machine has the node id, or this key another node id; FORBIDDEN when the signer is no admitter.
 */
export function admit(
  desk: RosterDesk,
  node: { nodeId: string; publicKey: string; bootCounter: number; admitter?: boolean },
): RosterRecord {
  needsRight(desk)
  const conflict = nameConflict(desk.roster, node)
  if (conflict !== null) throw conflict
  const { nodeId, publicKey, bootCounter, admitter = false } = node
  const removals = bodiesOf(desk).filter(({ body }) => body.kind === 'removal' && body.nodeId === nodeId)
  return sign(desk, { kind: 'admission', nodeId, publicKey, bootCounter, admitter }, must(removals))
}

/**
 * Admits many machines at once, each record in sight of the one before; those that are members already, or were removed, are left out.
 * @returns the records, and under which node id each key is a member then: where a name is taken, with six digits of the key's hash behind it.
 * @throws ThatdamError FORBIDDEN.
 */
export function admitMany(
  desk: RosterDesk,
  nodes: readonly { nodeId: string; publicKey: string; bootCounter: number }[],
): { records: RosterRecord[]; nodeIds: ReadonlyMap<string, string> } {
  needsRight(desk)
  const records: RosterRecord[] = []
  const nodeIds = new Map([...desk.roster.byKey].map(([key, member]) => [key, member.nodeId]))
  const names = new Set([...desk.roster.members.keys(), ...desk.roster.removed.keys()])
  const onceIn = new Set(bodiesOf(desk).flatMap(({ body }) => (body.kind === 'admission' ? [body.publicKey] : [])))
  for (const { nodeId: wish, publicKey, bootCounter } of nodes) {
    if (nodeIds.has(publicKey) || onceIn.has(publicKey)) continue
    const nodeId = names.has(wish) ? `${wish.slice(0, 56)}-${sha256(publicKey).toString('hex').slice(0, 6)}` : wish
    if (names.has(nodeId)) continue
    names.add(nodeId)
    nodeIds.set(publicKey, nodeId)
    const fields = { kind: 'admission' as const, nodeId, publicKey, bootCounter, admitter: false }
    const last = records.at(-1)
    records.push(last === undefined ? sign(desk, fields) : seal(desk, { ...fields, ...linksAfter(desk, last) }))
  }
  return { records, nodeIds }
}

/** Why this key cannot have this node id in the ring; null when it can. */
export function nameConflict(roster: Roster, { nodeId, publicKey }: { nodeId: string; publicKey: string }): ThatdamError | null {
  const namesake = roster.members.get(nodeId)
  if (namesake !== undefined && !namesake.keys.includes(publicKey)) {
    return new ThatdamError(
      'CONFLICT',
      `Another machine is already called ${nodeId}. Choose another NODE_ID for this one, then join again.`,
    )
  }
  const known = roster.byKey.get(publicKey)
  if (known === undefined || known.nodeId === nodeId) return null
  return new ThatdamError(
    'CONFLICT',
    `This machine is already in the ring as ${known.nodeId}. Set NODE_ID=${known.nodeId}, or retire ${known.nodeId} first, then join again.`,
  )
}

/** Makes a member an admitter. @throws ThatdamError NOT_FOUND, FORBIDDEN; CONFLICT when it is one already. */
export function raise(desk: RosterDesk, nodeId: string): RosterRecord {
  needsRight(desk)
  const member = memberOf(desk, nodeId)
  if (member.admitter) throw new ThatdamError('CONFLICT', `${nodeId} may admit machines already. Nothing was changed.`)
  const { publicKey, bootCounter } = member
  return sign(desk, { kind: 'admission', nodeId, publicKey, bootCounter, admitter: true }, [member.record])
}

/**
 * The owner removes a machine: it is a stranger to every member that knows of it, at once, and comes back only by a new admission. What it had
 * signed before stays, as far as the signer here has seen it, but for `voids`.
 * @param voids hashes of records that it signed and that shall not count: what a thief did before it was noticed. At most VOIDS_MAX.
 */
export function remove(desk: RosterDesk, nodeId: string, voids: readonly string[] = []): RosterRecord {
  needsRight(desk)
  const ofNode = bodiesOf(desk).filter(({ body }) => body.kind === 'admission' && body.nodeId === nodeId)
  // Also one that has lost all its keys: it is no member, and its name is taken.
  if (ofNode.length === 0 || desk.roster.removed.has(nodeId)) memberOf(desk, nodeId)
  const keys = ofNode.flatMap(({ body }) => (body.kind === 'admission' ? [body.publicKey] : []))
  const own = ownOf(desk, [...keys, ...(desk.roster.members.get(nodeId)?.keys ?? [])])
  return sign(desk, { kind: 'removal', nodeId, seen: [], ...(voids.length === 0 ? {} : { voids: [...voids] }) }, own)
}

/** This machine leaves by itself; what it did in the ring stays. */
export function retire(desk: RosterDesk): RosterRecord {
  const member = ownMember(desk)
  return sign(desk, { kind: 'removal', nodeId: member.nodeId, seen: [] }, ownOf(desk, member.keys))
}

/** All of this ring goes over to another one of the same owner, for good. */
export function forward(desk: RosterDesk, to: { clusterId: string; fingerprint: string }): RosterRecord {
  needsRight(desk)
  return sign(desk, { kind: 'forwarding', toClusterId: to.clusterId, toFingerprint: to.fingerprint })
}

/**
 * Introduces a member's new key: by its old key; or, for a machine that lost it, by the owner's. Steps of a replacement, each on disk before the
 * next: the new key beside the old one; this record, shown to others; the new key as the machine's own; `useKey`, its first act.
 * @throws ThatdamError NOT_FOUND; CONFLICT when the key is known already; FORBIDDEN.
 */
export function rekey(desk: RosterDesk, nodeId: string, newKey: string): RosterRecord {
  const member = memberOf(desk, nodeId)
  const { publicKey } = desk.signer
  const isOwn = member.keys.includes(publicKey)
  if (!isOwn && desk.roster.ownerRecoveryKey !== publicKey) {
    throw new ThatdamError('FORBIDDEN', `This machine may not give ${nodeId} a new key. Remove ${nodeId}, then let it join again.`)
  }
  if (desk.roster.byKey.has(newKey))
    throw new ThatdamError('CONFLICT', 'This key belongs to a machine of the ring already. Make a fresh one.')
  return sign(desk, { kind: 'rekey', nodeId, oldKey: isOwn ? publicKey : member.publicKey, newKey }, ownOf(desk, member.keys))
}

/** First use of the signer's new key. From here on the older ones are strangers. */
export function useKey(desk: RosterDesk): RosterRecord {
  const member = ownMember(desk)
  return sign(desk, { kind: 'key-use', nodeId: member.nodeId, publicKey: desk.signer.publicKey }, ownOf(desk, member.keys))
}

/**
 * Names the owner's recovery key: at first by an admitter, later only by the key in force itself, which ends with that.
 * @throws ThatdamError CONFLICT when another one is in force.
 */
export function nameOwnerKey(desk: RosterDesk, ownerRecoveryKey: string): RosterRecord {
  needsRight(desk)
  const inForce = desk.roster.ownerRecoveryKey
  if (inForce !== null && inForce !== desk.signer.publicKey) {
    throw new ThatdamError(
      'CONFLICT',
      'The ring has a recovery key already. Only with its printed words can a new one take its place; have them at hand and start again.',
    )
  }
  return signNaming(desk, ownerRecoveryKey)
}

/**
 * Every admitter names the ring's first recovery key as soon as it knows it (those after it stand on that), so that no thief of one admitter can
 * make the ring forget it.
 * @returns null when there is nothing to do: no recovery key, no admitter, or named already.
 */
export function nameKnownOwnerKey(desk: RosterDesk): RosterRecord | null {
  const [first] = desk.roster.ownerKeys
  const own = desk.roster.byKey.get(desk.signer.publicKey)
  if (first === undefined || own?.admitter !== true) return null
  const isNamed = desk.records.some(
    ({ body }) =>
      (body.kind === 'genesis' && body.ownerRecoveryKey === first) ||
      (body.kind === 'owner-key' && body.ownerRecoveryKey === first && own.keys.includes(body.by)),
  )
  return isNamed ? null : signNaming(desk, first)
}

/* ---- */

const signNaming = (desk: RosterDesk, ownerRecoveryKey: string): RosterRecord =>
  sign(desk, { kind: 'owner-key', ownerRecoveryKey, by: desk.signer.publicKey }, ownOf(desk, [desk.signer.publicKey]))

function needsRight({ roster, signer }: RosterDesk): void {
  if (roster.byKey.get(signer.publicKey)?.admitter === true || roster.ownerRecoveryKey === signer.publicKey) return
  throw new ThatdamError('FORBIDDEN', 'This machine may not admit or remove others. Do it in the console, which the leader serves.')
}

function memberOf({ roster }: RosterDesk, nodeId: string): Member {
  const member = roster.members.get(nodeId)
  if (member !== undefined) return member
  throw new ThatdamError('NOT_FOUND', `There is no machine ${nodeId} in the ring. The list of machines says how they are called.`)
}

function ownMember({ roster, signer }: RosterDesk): Member {
  const member = roster.byKey.get(signer.publicKey)
  if (member !== undefined) return member
  throw new ThatdamError('CONFLICT', 'This machine is not in the ring any more. Nothing was changed.')
}

const bodiesOf = ({ records, roster }: RosterDesk): { hash: string; body: RosterBody; signer: string }[] => {
  const ignored = new Set(roster.ignored.map((one) => one.hash))
  return records
    .map(({ body, signer }) => ({ hash: recordHash(body), body, signer }))
    .filter(
      ({ hash, body }) =>
        !ignored.has(hash) && (body.kind === 'genesis' ? hash === roster.fingerprint : body.clusterId === roster.clusterId),
    )
}
const must = (found: readonly { hash: string }[]): string[] => found.map((one) => one.hash)
const ownOf = (desk: RosterDesk, keys: readonly string[]): string[] =>
  must(bodiesOf(desk).filter(({ signer, hash }) => keys.includes(signer) && hash !== desk.roster.fingerprint))

/**
 * Links the new record to the newest ones: first those that lead to what it must have seen, then the others, as many as a record can carry; what
 * is left over is linked by the next one. A removal lists as `seen` what its links do not reach.
 */
function sign(desk: RosterDesk, fields: Fields, mustSee: readonly string[] = []): RosterRecord {
  const known = new Map(bodiesOf(desk).map(({ hash, body }) => [hash, body]))
  const ancestry = new RosterLinks(known)
  const named = new Set([...known.values()].flatMap(parentsOf))
  const heads = [...known.keys()].filter((hash) => !named.has(hash)).toSorted()
  const open = new Set(mustSee)
  const chosen: string[] = []
  const choose = (head: string): void => {
    chosen.push(head)
    for (const hash of open) if (ancestry.descends(head, hash)) open.delete(hash)
  }
  for (const head of heads) if (chosen.length <= ALSO_MAX && [...open].some((hash) => ancestry.descends(head, hash))) choose(head)
  for (const head of heads) if (chosen.length <= ALSO_MAX && !chosen.includes(head)) choose(head)
  // A removal must always be possible: what is beyond its bound goes unseen, and so is void.
  const unseen = [...open].toSorted()
  if (unseen.length > 0 && fields.kind === 'admission') {
    throw new ThatdamError(
      'CONFLICT',
      'Too many changes of the ring were made at once. Try again in a minute, when the machines have agreed.',
    )
  }
  const [previous = desk.roster.fingerprint, ...also] = chosen
  const seen = fields.kind === 'removal' ? { seen: unseen.slice(0, SEEN_MAX) } : {}
  const links = { version: 1, clusterId: desk.roster.clusterId, previous, ...(also.length === 0 ? {} : { also }) }
  return seal(desk, { ...fields, ...seen, ...links } as RosterBody)
}

const linksAfter = ({ roster }: RosterDesk, last: RosterRecord): { version: 1; clusterId: string; previous: string } => ({
  version: 1,
  clusterId: roster.clusterId,
  previous: recordHash(last.body),
})
const seal = ({ signer }: RosterDesk, body: RosterBody): RosterRecord => ({
  body,
  signer: signer.publicKey,
  signature: signer.sign('thatdam-roster-v1', body),
})
