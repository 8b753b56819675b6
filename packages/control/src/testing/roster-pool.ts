import type { RosterBody, RosterRecord } from '@thatdam/protocol/roster'
import fc from 'fast-check'
import { generateKey, type KeyPair } from '../keys.ts'
import { recordHash } from '../roster.ts'
import { sampleGenesis } from './samples.ts'

/** Keys 0–4 found and join; 5 and 6 are new keys of theirs; 7 and 8 the owner's. */
const KEYS = Array.from({ length: 9 }, generateKey)
export const FOUNDER = KEYS[0] as KeyPair
const NODE_IDS = ['founder', 'pi', 'win', 'zero', 'mac']
const KINDS = ['admission', 'admission', 'admission', 'removal', 'removal', 'rekey', 'key-use', 'owner-key', 'forwarding'] as const

const anyWish = fc.record({
  kind: fc.constantFrom(...KINDS),
  /** As the kind needs it to have a chance; else anybody. */
  isLikely: fc.oneof({ weight: 4, arbitrary: fc.constant(true) }, { weight: 1, arbitrary: fc.constant(false) }),
  signer: fc.oneof({ weight: 2, arbitrary: fc.nat(2) }, { weight: 1, arbitrary: fc.nat(8) }),
  subject: fc.nat(4),
  key: fc.nat(8),
  ownKey: fc.boolean(),
  admitter: fc.boolean(),
  /** −1: the newest, as a signer that knows all of them names it. */
  previous: fc.oneof(fc.constant(-1), fc.nat(30)),
  also: fc.array(fc.nat(30), { maxLength: 2 }),
  seen: fc.array(fc.nat(30), { maxLength: 2 }),
  voids: fc.array(fc.nat(30), { maxLength: 1 }),
})
type Wish = typeof anyWish extends fc.Arbitrary<infer T> ? T : never

function likely(wish: Wish): Wish {
  const member = wish.subject % 3
  // Now and then a machine set up anew, with a new key and its old name.
  if (wish.kind === 'admission') return wish.key === 5 ? { ...wish, ownKey: false, subject: member } : { ...wish, ownKey: true }
  if (wish.kind === 'rekey')
    return { ...wish, subject: member, ownKey: true, key: 5 + (wish.key % 2), signer: wish.admitter ? wish.signer : member }
  if (wish.kind === 'key-use') return { ...wish, subject: member, signer: 5 + (wish.signer % 2) }
  if (wish.kind === 'owner-key') return { ...wish, key: 7 + (wish.key % 2), signer: wish.admitter ? 7 + (wish.signer % 2) : wish.signer }
  return wish
}
export type Pool = { records: RosterRecord[]; fingerprint: string }

/** A ring's genesis record and up to 16 later records of all kinds, by all sorts of signers, each naming earlier ones. */
export const anyPool = fc.tuple(fc.array(anyWish, { maxLength: 16, size: 'max' }), fc.boolean()).map(([wishes, hasOwner]): Pool => {
  const plain = sampleGenesis(FOUNDER, 'founder', '00000000-0000-4000-8000-000000000001')
  const body = { ...plain.body, nonce: 'n'.repeat(22), ownerRecoveryKey: hasOwner ? (KEYS[7] as KeyPair).publicKey : null }
  const records: RosterRecord[] = [{ body, signer: FOUNDER.publicKey, signature: FOUNDER.sign('thatdam-roster-v1', body) }]
  for (const wish of wishes) records.push(recordOf(wish.isLikely ? likely(wish) : wish, records))
  return { records, fingerprint: recordHash(body) }
})

function recordOf(wish: Wish, records: readonly RosterRecord[]): RosterRecord {
  const signer = KEYS[wish.signer] as KeyPair
  const body = bodyOf(wish, records, signer.publicKey)
  return { body, signer: signer.publicKey, signature: signer.sign('thatdam-roster-v1', body) }
}

function bodyOf(wish: Wish, records: readonly RosterRecord[], signerKey: string): RosterBody {
  const hashAt = (index: number): string => recordHash((records.at(index < 0 ? -1 : index % records.length) as RosterRecord).body)
  const { clusterId } = (records[0] as RosterRecord).body
  const links = { version: 1 as const, clusterId, previous: hashAt(wish.previous), also: wish.also.map(hashAt) }
  const nodeId = NODE_IDS[wish.subject] as string
  const subjectKey = (KEYS[wish.subject] as KeyPair).publicKey
  const key = (KEYS[wish.key] as KeyPair).publicKey
  const bodies: Record<Wish['kind'], RosterBody> = {
    admission: { kind: 'admission', ...links, nodeId, publicKey: wish.ownKey ? subjectKey : key, bootCounter: 1, admitter: wish.admitter },
    removal: { kind: 'removal', ...links, nodeId, seen: wish.seen.map(hashAt), voids: wish.voids.map(hashAt) },
    rekey: { kind: 'rekey', ...links, nodeId, oldKey: wish.ownKey ? subjectKey : signerKey, newKey: key },
    'key-use': { kind: 'key-use', ...links, nodeId, publicKey: signerKey },
    'owner-key': { kind: 'owner-key', ...links, ownerRecoveryKey: key, by: signerKey },
    forwarding: { kind: 'forwarding', ...links, toClusterId: clusterId, toFingerprint: hashAt(wish.key) },
  }
  return bodies[wish.kind]
}
