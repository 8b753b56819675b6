import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex, concatBytes, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js'

/*
 * The Merkle tree of RFC 6962 §2.1: a leaf is SHA-256(0x00 ‖ data), a node SHA-256(0x01 ‖ left ‖ right), and n leaves are split at the
 * largest power of two below n. The two prefixes keep a node from being shown as a leaf.
 */
const LEAF = new Uint8Array([0])
const NODE = new Uint8Array([1])

export const leafHash = (text: string): Uint8Array => sha256(concatBytes(LEAF, utf8ToBytes(text)))
const nodeHash = (left: Uint8Array, right: Uint8Array): Uint8Array => sha256(concatBytes(NODE, left, right))

function splitAt(count: number): number {
  let size = 1
  while (size * 2 < count) size *= 2
  return size
}

function subtree(leaves: readonly Uint8Array[], from: number, to: number): Uint8Array {
  const only = leaves[from]
  if (only === undefined) throw new RangeError('a Merkle tree has at least one leaf')
  if (to - from === 1) return only
  const middle = from + splitAt(to - from)
  return nodeHash(subtree(leaves, from, middle), subtree(leaves, middle, to))
}

/** Root over leaf hashes, 64 hex digits. @throws RangeError for no leaves. */
export function merkleRoot(leaves: readonly Uint8Array[]): string {
  return bytesToHex(subtree(leaves, 0, leaves.length))
}

/** The audit path of a leaf (RFC 6962 §2.1.1), nearest sibling first, hex. */
export function inclusionProof(leaves: readonly Uint8Array[], index: number): string[] {
  if (!Number.isInteger(index) || index < 0 || index >= leaves.length) throw new RangeError(`no leaf ${index} among ${leaves.length}`)
  const path: string[] = []
  let from = 0
  let to = leaves.length
  while (to - from > 1) {
    const middle = from + splitAt(to - from)
    if (index < middle) {
      path.unshift(bytesToHex(subtree(leaves, middle, to)))
      to = middle
    } else {
      path.unshift(bytesToHex(subtree(leaves, from, middle)))
      from = middle
    }
  }
  return path
}

/** Is this leaf the index-th of count leaves under the root? False for anything malformed (algorithm of RFC 9162 §2.1.3.2). */
export function verifyInclusion(leaf: Uint8Array, at: { index: number; count: number }, proof: readonly string[], root: string): boolean {
  if (!Number.isInteger(at.index) || at.index < 0 || at.index >= at.count) return false
  let node = at.index
  let last = at.count - 1
  let hash = leaf
  for (const sibling of proof) {
    if (last === 0 || !/^[0-9a-f]{64}$/.test(sibling)) return false
    if (node % 2 === 1 || node === last) {
      hash = nodeHash(hexToBytes(sibling), hash)
      while (node % 2 === 0 && node !== 0) {
        node = Math.floor(node / 2)
        last = Math.floor(last / 2)
      }
    } else {
      hash = nodeHash(hash, hexToBytes(sibling))
    }
    node = Math.floor(node / 2)
    last = Math.floor(last / 2)
  }
  return last === 0 && bytesToHex(hash) === root
}
