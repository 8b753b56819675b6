import { raise } from '@thatdam/control/roster-edit'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { foundRing, identities } from '../ring/testing/ring.ts'
import type { Identity } from '../state/identity.ts'
import { DoorMachine } from './testing/door-machine.ts'

const machines: DoorMachine[] = []
let founder: DoorMachine
let standby: DoorMachine
beforeEach(async () => {
  const [first, second] = identities(['founder', 'standby']) as [Identity, Identity]
  const records = foundRing([first, second])
  for (const identity of [first, second]) {
    const machine = await DoorMachine.open(identity, records)
    await machine.store.edit(first.key, (desk) => raise(desk, 'standby'))
    machines.push(machine)
  }
  ;[founder, standby] = machines as [DoorMachine, DoorMachine]
})
afterEach(() => {
  for (const machine of machines.splice(0)) machine.close()
})

test('a password from before the ring is published by its founder, and by nobody who came with one of their own', () => {
  standby.shared.publishFirst('its own')
  expect(standby.shared.edit).toBeNull()
  founder.shared.publishFirst('of the ring')
  expect(founder.shared.passwordHash()).toBe('of the ring')
  // What somebody sets at its console now is the ring's.
  standby.shared.publish('a new one')
  expect(standby.shared.passwordHash()).toBe('a new one')
})
