import type { Discovery } from '@thatdam/protocol/cluster'

/* Pure: where a tab goes on when the machine that it was opened at falls silent, or leads no longer. */

/** What a page knew of its ring while its machine still answered. */
export interface KnownRing {
  fingerprint: string
  /** The machine whose console this is. */
  here: { nodeId: string; name: string }
  others: readonly { nodeId: string; name: string; url: string }[]
}

/** What one of the others said, and the address at which it said so. */
export interface Heard {
  url: string
  discovery: Discovery
}

/** The machine that says of itself that it leads this ring. What one says of another counts for nothing: that one may be the silent one. */
export function nextLeader(ring: KnownRing, heard: readonly Heard[]): { nodeId: string; name: string; url: string } | null {
  const leads = heard.filter(
    ({ discovery }) =>
      discovery.fingerprint === ring.fingerprint &&
      discovery.node_id !== ring.here.nodeId &&
      discovery.leader_node_id === discovery.node_id,
  )
  // Two that lead: a cut heals just now. Waiting a second tells who goes on.
  if (new Set(leads.map(({ discovery }) => discovery.node_id)).size !== 1 || leads[0] === undefined) return null
  const { url, discovery } = leads[0]
  return { nodeId: discovery.node_id, name: ring.others.find(({ nodeId }) => nodeId === discovery.node_id)?.name ?? discovery.node_id, url }
}

/**
 * The machine that the page's own machine names as its leader now: it was trusted all along, also when it joined another ring meanwhile. Null where
 * the one that answers leads: an address that follows the leader by itself is the right one still.
 */
export function namedLeader(ring: KnownRing, own: Discovery): { nodeId: string; name: string; url: string } | null {
  const { leader_node_id: nodeId = null, leader_url: url } = own
  if (nodeId === null || nodeId === ring.here.nodeId || nodeId === own.node_id || url === null) return null
  return { nodeId, name: ring.others.find((one) => one.nodeId === nodeId)?.name ?? nodeId, url }
}

/** The same page at another machine; with a ticket, without signing in again. The part behind # stays in the browser. */
export function samePageAt(url: string, place: { pathname: string; search: string; hash: string }, ticket: string | null): string {
  if (ticket === null) return `${url}${place.pathname}${place.search}${place.hash}`
  return `${url}/auth/roam?${new URLSearchParams({ ticket, next: place.pathname })}${place.hash}`
}

/** By this name a page follows the leader without moving: it only has to be tried again. */
export const isRingName = (hostname: string): boolean => hostname === 'thatdam.local'
