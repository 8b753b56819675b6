/** What a ring says of itself when it meets another one. */
export interface RingCard {
  readonly clusterId: string
  /** Hash of its genesis record. */
  readonly fingerprint: string
  /** It has an owner; else nobody has made it theirs yet. */
  readonly isClaimed: boolean
  /** Who both sides found it to belong to, by proof and not by its own word; null when it is unclaimed, or proved nothing. */
  readonly owner: string | null
  readonly isCloudPaired: boolean
  /** The owner named this one to go on. */
  readonly isChosen: boolean
}

/** `yield`: this ring's machines go over to the other one. `go-on`: the other one's come here. `apart`: both go on, and the owner is told. */
export type Meeting = 'same' | 'yield' | 'go-on' | 'apart'

/**
 * What becomes of two rings that meet: an unclaimed one yields to a claimed one; two of one owner become one (the one paired with
 * the cloud, then the one the owner chose, then the smaller id goes on); others go on apart. Two unclaimed ones wait: nothing is trusted by mere
 * presence. It does not matter which met which first: `meetRings(a, b)` is `yield` exactly when `meetRings(b, a)` is `go-on`.
 */
export function meetRings(mine: RingCard, theirs: RingCard): Meeting {
  if (mine.fingerprint === theirs.fingerprint) return 'same'
  if (!mine.isClaimed && !theirs.isClaimed) return 'apart'
  if (!mine.isClaimed || !theirs.isClaimed) return mine.isClaimed ? 'go-on' : 'yield'
  if (mine.owner === null || mine.owner !== theirs.owner) return 'apart'
  if (mine.isCloudPaired !== theirs.isCloudPaired) return mine.isCloudPaired ? 'go-on' : 'yield'
  if (mine.isChosen !== theirs.isChosen) return mine.isChosen ? 'go-on' : 'yield'
  if (mine.clusterId !== theirs.clusterId) return mine.clusterId < theirs.clusterId ? 'go-on' : 'yield'
  // A claim to somebody else's id: the fingerprint, which nobody can claim, tells them apart.
  return mine.fingerprint < theirs.fingerprint ? 'go-on' : 'yield'
}
