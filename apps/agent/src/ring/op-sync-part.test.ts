import { expect, test } from 'vitest'
import { OpSyncPart, type OpSyncPartPorts } from './op-sync-part.ts'
import { foundRing, identities, quietLog } from './testing/ring.ts'
import { RosterStore } from './roster-store.ts'

test('what counts is worked out anew when a roster is another one, not at each change of who is awake, and again after a failure', () => {
  const [own, other] = identities(['own', 'other'])
  if (!own || !other) throw new Error('two')
  let store = new RosterStore('/nowhere/roster.jsonl', foundRing([own]))
  let isFull = false
  let judged = 0
  const rejudge = () => {
    if (isFull) throw new Error('the disk is full')
    judged += 1
    return { added: 0, withdrawn: 0 }
  }
  const sync = new OpSyncPart({
    oplog: { rejudge },
    part: () => ({ store }),
    nodeId: 'own',
    formers: { version: 1, goneOverTo: () => [] },
    log: quietLog,
  } as unknown as OpSyncPartPorts)
  sync.rosterChanged()
  sync.rosterChanged()
  expect(judged).toBe(1)
  store = new RosterStore('/nowhere/roster.jsonl', foundRing([own, other]))
  isFull = true
  expect(() => sync.rosterChanged()).toThrow('full')
  isFull = false
  sync.rosterChanged()
  expect(judged).toBe(2)
})
