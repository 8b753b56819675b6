import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateKey, type KeyPair, verifySignature } from '@thatdam/control/keys'
import { TestRing } from '@thatdam/control/testing/ring'
import { OpLog } from '@thatdam/oplog/disk/log'
import type { GenesisRecord } from '@thatdam/protocol/roster'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { RingState } from '../ring/ring-state.ts'
import { RosterStore } from '../ring/roster-store.ts'
import { SharedOwner } from './shared-owner.ts'

const founder = generateKey()
const ring = TestRing.found(founder, 'founder')
const standby = ring.join(founder, 'standby', true)

let directory = ''
const logs: OpLog[] = []
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'thatdam-shared-owner-'))
})
afterEach(() => {
  for (const log of logs.splice(0)) log.close()
  rmSync(directory, { recursive: true, force: true })
})

function ownerOf(nodeId: string, key: KeyPair): SharedOwner {
  mkdirSync(join(directory, nodeId))
  const oplog = OpLog.open(join(directory, nodeId), {
    nodeId,
    signer: key,
    verify: verifySignature,
    clock: Date.now,
    random: (count: number) => randomBytes(count),
  })
  logs.push(oplog)
  const [genesis, ...later] = ring.records
  const store = new RosterStore(join(directory, `${nodeId}.jsonl`), { genesis: genesis as GenesisRecord, later })
  const identity = { nodeId, key, next: null, former: [] }
  return new SharedOwner({ identity, oplog, state: new RingState(oplog, Date.now), store: () => store })
}

test('a password from before the ring is published by its founder, and by nobody who came with one of their own', () => {
  const own = ownerOf('standby', standby)
  own.publishFirst('its hash')
  expect(own.edit).toBeNull()
  const first = ownerOf('founder', founder)
  first.publishFirst('the hash of the ring')
  expect(first.passwordHash()).toBe('the hash of the ring')
  // What somebody sets at its console now is the ring's.
  own.publish('a new hash')
  expect(own.passwordHash()).toBe('a new hash')
})
