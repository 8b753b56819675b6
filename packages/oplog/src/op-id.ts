import { bytesToHex } from '@noble/hashes/utils.js'

/** Name of an op: 16 random bytes as 32 hex digits. Its author keeps it when the op is sent again. */
export function opIdFrom(random: Uint8Array): string {
  if (random.length !== 16) throw new RangeError('an op id is made of 16 random bytes')
  return bytesToHex(random)
}
