import type { Roster } from './roster.ts'

/** Asked with the key that signed; without one: is the node known at all? Null: it is not. */
export type OpAuthors = (nodeId: string, signer?: string) => { publicKey: string; admitter: boolean } | null

/**
 * Whose op batches count: members of this ring and those that were removed from it, by every key they had, and those of rings
 * that have gone over to it. What an admitter of one of those signed stays judged as an admitter's, though it came over as a plain member.
 * @param rosters this ring's first, then those of the rings that came over.
 */
export function opAuthors(rosters: readonly Roster[]): OpAuthors {
  return (nodeId, signer) => {
    const publicKey = signer ?? rosters.flatMap(({ signers }) => [...(signers.get(nodeId)?.keys() ?? [])])[0]
    if (publicKey === undefined) return null
    const known = rosters.flatMap(({ signers }) => signers.get(nodeId)?.get(publicKey) ?? [])
    return known.length === 0 ? null : { publicKey, admitter: known.some(({ admitter }) => admitter) }
  }
}
