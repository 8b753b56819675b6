import { sign } from 'node:crypto'
import { publicKeyObject, randomBytes, type KeyPair } from '@thatdam/control/keys'

/*
 * A self-signed X.509 certificate around the node's Ed25519 key (RFC 5280, RFC 8410), because TLS carries a raw key no other way. Nobody
 * judges what it says: who a node is, the roster decides by the key alone, so it has no date that could pass and no name that counts. Made
 * anew at each start, in the few bytes below: a library for it would cost the idle agent more than the whole node API.
 */

const SEQUENCE = 0x30
const SET = 0x31
const UTF8_STRING = 0x0c
const INTEGER = 0x02
const BIT_STRING = 0x03
const GENERALIZED_TIME = 0x18
const ED25519 = Buffer.from('300506032b6570', 'hex')
const COMMON_NAME = Buffer.from('0603550403', 'hex')
const VERSION_3 = Buffer.from('a003020102', 'hex')

function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts)
  const { length } = content
  const head = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...head]), content])
}

const bits = (bytes: Uint8Array): Buffer => der(BIT_STRING, Buffer.of(0), bytes)
const time = (text: string): Buffer => der(GENERALIZED_TIME, Buffer.from(text))

/** @returns PEM of the certificate and of its private key, as `tls` takes them. `nodeId` is only what people read in a packet dump. */
export function makeCertificate(key: KeyPair, nodeId: string): { cert: string; key: string } {
  const name = der(SEQUENCE, der(SET, der(SEQUENCE, COMMON_NAME, der(UTF8_STRING, Buffer.from(nodeId)))))
  // Of 16 bytes, positive, never with a leading zero.
  const serial = Buffer.concat([Buffer.of(0x40), randomBytes(15)])
  const body = der(
    SEQUENCE,
    VERSION_3,
    der(INTEGER, serial),
    ED25519,
    name,
    // RFC 5280 §4.1.2.5: the date that means "no date".
    der(SEQUENCE, time('19700101000000Z'), time('99991231235959Z')),
    name,
    publicKeyObject(key.publicKey).export({ format: 'der', type: 'spki' }),
  )
  const certificate = der(SEQUENCE, body, ED25519, bits(sign(null, body, key.privateKey)))
  const lines = certificate.toString('base64').match(/.{1,64}/g) ?? []
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`,
    key: key.privateKey.export({ format: 'pem', type: 'pkcs8' }),
  }
}
