import type { Json } from '@thatdam/protocol/canonical'

/* Keys are passed in, so that this package imports nothing of Node. `@thatdam/control/keys` fits both shapes. */

export type BatchSigner = {
  /** Raw Ed25519 key, base64url, 43 characters. */
  readonly publicKey: string
  sign(domain: 'thatdam-op-batch-v1', value: Json): string
}
export type VerifyBatchSignature = (domain: 'thatdam-op-batch-v1', value: Json, signature: string, publicKey: string) => boolean
