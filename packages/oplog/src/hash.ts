import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js'
import { canonicalJson, type Json } from '@thatdam/protocol/canonical'

/** SHA-256 of the canonical JSON, 64 hex digits. */
export function jsonHash(value: Json): string {
  return bytesToHex(sha256(utf8ToBytes(canonicalJson(value))))
}
