import type { GenesisRecord } from '@thatdam/protocol/roster'
import type { Signer } from './keys.ts'

/**
 * First record of a new ring, founded and signed by this node. `clusterId` is a random UUID, `nonce` 16 or more random bytes as base64url;
 * the ring's fingerprint is `recordHash(record.body)` of roster.ts.
 */
export function makeGenesis(
  founder: Signer,
  fields: { clusterId: string; nodeId: string; bootCounter: number; createdAtMs: number; nonce: string },
): GenesisRecord {
  const body: GenesisRecord['body'] = {
    kind: 'genesis',
    version: 1,
    clusterId: fields.clusterId,
    founder: { nodeId: fields.nodeId, publicKey: founder.publicKey, bootCounter: fields.bootCounter },
    ownerRecoveryKey: null,
    createdAtMs: fields.createdAtMs,
    nonce: fields.nonce,
  }
  return { body, signer: founder.publicKey, signature: founder.sign('thatdam-roster-v1', body) }
}
