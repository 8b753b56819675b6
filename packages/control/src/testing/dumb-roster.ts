import type { RosterBody, RosterRecord } from '@thatdam/protocol/roster'
import { recordHash, type VerifyRoster } from '../roster.ts'

/*
 * The rules of `foldRoster`, the slow and plain way: lists that are searched from end to end, and everything counted anew after each change. It
 * shares no code with the fold but the hash.
 */
type Item = { hash: string; body: RosterBody; signer: string }
type Gift = { hash: string; nodeId: string; key: string; admitter: boolean; depth: number }
type Birth = { from: string; to: string; hash: string; rank: number }
type Naming = { key: string; hash: string; signer: string; depth: number }
type World = {
  all: Item[]
  genesis: Item
  cuts: Item[]
  gifts: Gift[]
  births: Birth[]
  namings: Naming[]
  owners: Naming[]
  done: string[]
  closed: { cut: string; key: string }[]
}

export type DumbRoster = {
  members: { nodeId: string; publicKey: string; keys: string[]; admitter: boolean }[]
  owner: string | null
  forward: string | null
}

export function dumbRoster(records: readonly RosterRecord[], fingerprint: string, verify: VerifyRoster): DumbRoster {
  const all = records
    .filter((record) => verify('thatdam-roster-v1', record.body, record.signature, record.signer))
    .map(({ body, signer }) => ({ hash: recordHash(body), body, signer }))
    .toSorted((a, b) => (`${a.hash} ${a.signer}` < `${b.hash} ${b.signer}` ? -1 : 1))
  const genesis = all.find((one) => one.hash === fingerprint) as Item
  const ours = all.filter((one) => one.body.kind !== 'genesis' && one.body.clusterId === genesis.body.clusterId)
  const world: World = { all: ours, genesis, cuts: [], gifts: [], births: [], namings: [], owners: [], done: [], closed: [] }
  for (;;) {
    count(world)
    const cut = world.all
      .filter((one) => !world.done.includes(one.hash) && mayCut(world, one))
      .toSorted((a, b) => rank(world, a) - rank(world, b) || (a.hash < b.hash ? -1 : 1))[0]
    if (cut === undefined) break
    world.cuts.push(cut)
    if (cut.body.kind === 'key-use') close(world, cut.hash, cut.body.publicKey)
  }
  const forward = world.all.find((one) => one.body.kind === 'forwarding' && may(world, one.signer, one.hash))?.body
  return {
    members: membersOf(world),
    owner: world.owners.at(-1)?.key ?? null,
    forward: forward?.kind === 'forwarding' ? forward.toFingerprint : null,
  }
}

function count(world: World): void {
  const { body } = world.genesis
  if (body.kind !== 'genesis') return
  const { nodeId, publicKey } = body.founder
  Object.assign(world, { births: [], namings: [], done: world.cuts.map((cut) => cut.hash) })
  world.gifts = [{ hash: world.genesis.hash, nodeId, key: publicKey, admitter: true, depth: 0 }]
  if (body.ownerRecoveryKey !== null) world.namings = [{ key: body.ownerRecoveryKey, hash: '', signer: publicKey, depth: -1 }]
  world.owners = ownersOf(world)
  for (let depth = 1; ; depth += 1) {
    const ready = world.all.filter((one) => !world.done.includes(one.hash) && mayCount(world, one))
    const before = world.done.length
    for (const one of ready) if (!world.done.includes(one.hash)) take(world, one, depth)
    if (world.done.length === before) return
    world.owners = ownersOf(world)
  }
}

function mayCount(world: World, { body, hash, signer }: Item): boolean {
  if (body.kind === 'admission') return may(world, signer, hash)
  if (body.kind === 'owner-key') return body.by === signer && may(world, signer, hash)
  if (body.kind !== 'rekey' || !giftsOf(world, body.oldKey).some((gift) => gift.nodeId === body.nodeId)) return false
  return isOwner(world, signer, hash) || (signer === body.oldKey && speaks(world, { signer, hash, nodeId: body.nodeId }))
}

function take(world: World, { body, hash, signer }: Item, depth: number): void {
  if (body.kind === 'admission') {
    const live = (gift: Gift): boolean => !isOut(world, gift)
    const own = giftsOf(world, body.publicKey)
    const rivals = world.gifts.filter((gift) => gift.nodeId === body.nodeId && !own.includes(gift))
    const isTaken = rivals.some(live) || own.some((gift) => gift.nodeId !== body.nodeId && live(gift))
    if (isTaken && !isOut(world, { hash, nodeId: body.nodeId })) return
    world.gifts.push({ hash, nodeId: body.nodeId, key: body.publicKey, admitter: body.admitter, depth })
  } else if (body.kind === 'rekey') {
    if (giftsOf(world, body.newKey).length > 0) return
    world.births.push({ from: body.oldKey, to: body.newKey, hash, rank: rank(world, { signer, hash }) })
  } else if (body.kind === 'owner-key') {
    const naming = { key: body.ownerRecoveryKey, hash, signer }
    const isAdmitter = admitterGifts(world, signer, hash).length > 0
    if (isAdmitter) world.namings.push({ ...naming, depth: admitterRank(world, signer, hash) })
    if (isOwner(world, signer, hash)) world.namings.push({ ...naming, depth: Infinity })
  }
  world.done.push(hash)
}

function ownersOf({ namings }: World): Naming[] {
  const best = (some: Naming[]): Naming | undefined => some.toSorted((a, b) => a.depth - b.depth || (a.hash < b.hash ? -1 : 1))[0]
  const chain: Naming[] = []
  for (let at = best(namings.filter((one) => one.depth !== Infinity)); at !== undefined;) {
    chain.push(at)
    const { key } = at
    at = best(namings.filter((one) => one.depth === Infinity && one.signer === key && chain.every((before) => before.key !== one.key)))
  }
  return chain
}

/* ---- rights ---- */

const may = (world: World, signer: string, hash: string): boolean =>
  isOwner(world, signer, hash) || admitterGifts(world, signer, hash).length > 0

function isOwner(world: World, signer: string, hash: string): boolean {
  const place = world.owners.findIndex((owner) => owner.key === signer)
  const next = world.owners[place + 1]
  return place >= 0 && (next === undefined || ancestors(world, next.hash).includes(hash))
}

const admitterGifts = (world: World, signer: string, hash: string): Gift[] =>
  isKeyOpen(world, signer, hash) ? giftsOf(world, signer).filter((gift) => gift.admitter && isSeen(world, gift, hash)) : []

const speaks = (world: World, { signer, hash, nodeId }: { signer: string; hash: string; nodeId: string }): boolean =>
  isKeyOpen(world, signer, hash) && giftsOf(world, signer).some((gift) => gift.nodeId === nodeId && isSeen(world, gift, hash))

function mayCut(world: World, { body, hash, signer }: Item): boolean {
  if (body.kind === 'removal') return may(world, signer, hash) || speaks(world, { signer, hash, nodeId: body.nodeId })
  if (body.kind !== 'key-use' || signer !== body.publicKey || closers(world, signer).length > 0) return false
  return (
    world.births.some((birth) => birth.to === signer && ancestors(world, hash).includes(birth.hash)) &&
    speaks(world, { signer, hash, nodeId: body.nodeId })
  )
}

function rank(world: World, { signer, hash }: { signer: string; hash: string }): number {
  const asOwner = world.owners.some((owner) => owner.key === signer) ? (world.owners[0]?.depth ?? 0) - 0.5 : Infinity
  const asAdmitter = admitterGifts(world, signer, hash).length > 0 ? admitterRank(world, signer, hash) : Infinity
  const asItself = Math.max(Math.min(...giftsOf(world, signer).map((gift) => gift.depth)), keyRank(world, signer))
  return asOwner < Infinity || asAdmitter < Infinity ? Math.min(asOwner, asAdmitter) : asItself
}
const admitterRank = (world: World, signer: string, hash: string): number =>
  Math.max(Math.min(...admitterGifts(world, signer, hash).map((gift) => gift.depth)), keyRank(world, signer))
const keyRank = (world: World, key: string): number => world.births.find((birth) => birth.to === key)?.rank ?? 0

/* ---- keys of one machine ---- */

function rootOf(world: World, key: string): string {
  const birth = world.births.find((one) => one.to === key)
  return birth === undefined ? key : rootOf(world, birth.from)
}
const giftsOf = (world: World, key: string): Gift[] => world.gifts.filter((gift) => rootOf(world, gift.key) === rootOf(world, key))
function comesFrom(world: World, key: string, from: string): boolean {
  const birth = world.births.find((one) => one.to === key)
  return key === from || (birth !== undefined && comesFrom(world, birth.from, from))
}
function close(world: World, cut: string, used: string): void {
  const keys = [...world.gifts.map((gift) => gift.key), ...world.births.map((birth) => birth.to)]
  const others = keys.filter((key) => rootOf(world, key) === rootOf(world, used) && !comesFrom(world, key, used))
  world.closed.push(...others.map((key) => ({ cut, key })))
}
const closers = (world: World, key: string): string[] => world.closed.filter((one) => one.key === key).map((one) => one.cut)
const isKeyOpen = (world: World, key: string, hash: string): boolean =>
  closers(world, key).every((cut) => ancestors(world, cut).includes(hash))

/* ---- removals ---- */

const outs = (world: World, { hash, nodeId }: { hash: string; nodeId: string }): Item[] =>
  world.cuts.filter(({ body, hash: cut }) => body.kind === 'removal' && body.nodeId === nodeId && !ancestors(world, hash).includes(cut))
const isOut = (world: World, gift: { hash: string; nodeId: string }): boolean => outs(world, gift).length > 0

function isSeen(world: World, gift: Gift, hash: string): boolean {
  const named = world.all.find((one) => one.hash === hash)?.body
  return outs(world, gift).every(({ hash: cut, body, signer }) => {
    if (body.kind !== 'removal' || body.voids?.includes(hash) === true) return false
    if ([cut, ...body.seen].some((seen) => ancestors(world, seen).includes(hash))) return true
    const isOfRemover = (one: Item): boolean => giftsOf(world, signer).length > 0 && rootOf(world, one.signer) === rootOf(world, signer)
    return world.all.some(
      (one) =>
        named?.kind === 'owner-key' &&
        one.body.kind === 'owner-key' &&
        one.body.ownerRecoveryKey === named.ownerRecoveryKey &&
        isOfRemover(one),
    )
  })
}

function ancestors(world: World, hash: string): string[] {
  const body = world.all.find((one) => one.hash === hash)?.body
  const parents = body === undefined || body.kind === 'genesis' ? [] : [body.previous, ...(body.also ?? [])]
  return [hash, ...parents.flatMap((parent) => ancestors(world, parent))]
}

/* ---- members ---- */

function membersOf(world: World): DumbRoster['members'] {
  const keys = [...new Set([...world.gifts.map((gift) => gift.key), ...world.births.map((birth) => birth.to)])]
  return [...new Set(keys.map((key) => rootOf(world, key)))]
    .flatMap((root) => {
      const live = giftsOf(world, root)
        .filter((gift) => !isOut(world, gift))
        .toSorted((a, b) => a.depth - b.depth || (a.hash < b.hash ? -1 : 1))
      const good = keys.filter((key) => rootOf(world, key) === root && closers(world, key).length === 0).toSorted()
      const used = good.find((key) => world.cuts.some(({ body }) => body.kind === 'key-use' && body.publicKey === key))
      const publicKey = used ?? (good.includes(root) ? root : good[0])
      if (live[0] === undefined || publicKey === undefined) return []
      return [{ nodeId: live[0].nodeId, publicKey, keys: good, admitter: live.some((gift) => gift.admitter) }]
    })
    .toSorted((a, b) => (a.nodeId < b.nodeId ? -1 : 1))
}
