import type { Roster } from './roster.ts'

/** Asked with the key that signed; without one: is the node known at all? Null: it is not. */
export type OpAuthors = (nodeId: string, signer?: string) => { publicKey: string; admitter: boolean } | null

/**
 * Whose op batches count (DESIGN §4, §7): members of this ring and those that were removed from it, by every key they had, and those of rings
 * that have gone over to it.
 * @param rosters this ring's first, then those of the rings that came over.
 */
export function opAuthors(rosters: readonly Roster[]): OpAuthors {
  return (nodeId, signer) => {
    for (const { signers } of rosters) {
      const keys = signers.get(nodeId)
      const [publicKey, known] = signer === undefined ? (keys?.entries().next().value ?? []) : [signer, keys?.get(signer)]
      if (publicKey !== undefined && known !== undefined) return { publicKey, admitter: known.admitter }
    }
    return null
  }
}
