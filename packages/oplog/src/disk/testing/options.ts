import { createPublicKey, generateKeyPairSync, randomBytes, sign, verify } from 'node:crypto'
import { signingText } from '@thatdam/protocol/signed'
import type { BatchSigner, VerifyBatchSignature } from '../../signing.ts'
import type { OpLogOptions } from '../log.ts'

/** A real Ed25519 key for tests; programs use `@thatdam/control/keys`. */
export function testSigner(): BatchSigner {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  return {
    publicKey: publicKey.export({ format: 'jwk' }).x as string,
    sign: (domain, value) => sign(null, Buffer.from(signingText(domain, value)), privateKey).toString('base64url'),
  }
}

export const testVerify: VerifyBatchSignature = (domain, value, signature, key) => {
  const publicKey = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: key }, format: 'jwk' })
  return verify(null, Buffer.from(signingText(domain, value)), publicKey, Buffer.from(signature, 'base64url'))
}

export function testOptions(nodeId = 'pi5-desktop-1a2b3c', signer = testSigner()): OpLogOptions {
  return { nodeId, signer, verify: testVerify, clock: Date.now, random: randomBytes }
}
