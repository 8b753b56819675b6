import { REKEYS_MAX, type RosterRecord } from '@thatdam/protocol/roster'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { formerKeys } from './key-chain.ts'
import { generateKey, type KeyPair, verifySignature } from './keys.ts'

const KEYS = Array.from({ length: REKEYS_MAX + 4 }, () => generateKey())
const key = (place: number): KeyPair => KEYS[place] as KeyPair
const record = (from: number, to: number, changes: { nodeId?: string; signer?: number; forged?: boolean } = {}): RosterRecord => {
  const { nodeId = 'pi5', signer = from, forged = false } = changes
  const body = {
    kind: 'rekey',
    version: 1,
    clusterId: '0f0e0d0c-0b0a-4908-8706-050403020100',
    previous: 'a'.repeat(64),
    nodeId,
    oldKey: key(from).publicKey,
    newKey: key(to).publicKey,
  } as const
  const by = key(signer)
  const signature = forged ? key(to).sign('thatdam-roster-v1', body) : by.sign('thatdam-roster-v1', body)
  return { body, signer: by.publicKey, signature }
}
const places = (records: readonly RosterRecord[], at: number): number[] =>
  formerKeys(records, { nodeId: 'pi5', publicKey: key(at).publicKey, verify: verifySignature }).map((found) =>
    KEYS.findIndex(({ publicKey }) => publicKey === found),
  )

test('each key is followed back to the one that introduced it, in whatever order the records come', () => {
  const chain = [record(0, 1), record(1, 2), record(2, 3)]
  fc.assert(
    fc.property(fc.shuffledSubarray(chain, { minLength: 3 }), (records) => {
      expect([3, 2, 1, 0].map((at) => places(records, at))).toEqual([[2, 1, 0], [1, 0], [0], []])
    }),
  )
  expect(places([record(0, 1), record(2, 3)], 3)).toEqual([2])
})

test('no record counts that the older key did not sign for this machine', () => {
  expect(places([record(0, 1, { forged: true }), record(0, 1)], 1)).toEqual([0])
  for (const changes of [{ nodeId: 'other' }, { signer: 2 }, { forged: true }]) expect(places([record(0, 1, changes)], 1)).toEqual([])
})

test('keys that introduce one another end nowhere, and a long row is cut', () => {
  expect(places([record(0, 1), record(1, 0)], 1)).toEqual([0])
  expect(places([record(0, 0)], 0)).toEqual([])
  const long = Array.from({ length: REKEYS_MAX + 3 }, (_, place) => record(place, place + 1))
  expect(places(long, REKEYS_MAX + 3)).toHaveLength(REKEYS_MAX)
})
