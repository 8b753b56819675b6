import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sampleToken } from '@thatdam/control/testing/samples'
import { TestControl } from '@thatdam/control/testing/server'
import type { OtherRingFate } from '@thatdam/protocol/local'
import { until } from '@thatdam/testkit/hosts/command'
import type { RingMachine } from '@thatdam/testkit/ring/machine'
import { TestRing } from '@thatdam/testkit/ring/ring'
import { afterEach, beforeEach, expect, test } from 'vitest'

const LIMIT_MS = 90_000

let directory = ''
let ring: TestRing | null = null
let control: TestControl
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'thatdam-meet-cloud-'))
  control = await new TestControl({ holdMs: [20_000, 20_000], founds: true, requeryMs: 200 }).start()
})
afterEach(async () => {
  await ring?.down()
  ring = null
  await control.stop()
  rmSync(directory, { recursive: true, force: true })
})

async function run(machine: RingMachine, environment: Record<string, string>, ...args: string[]): Promise<string> {
  const { code, output } = await machine.thatdam(environment, ...args)
  expect([code, output]).toEqual([0, expect.any(String)])
  return output
}

async function otherOf(machine: RingMachine): Promise<{ fingerprint: string; fate: OtherRingFate; reason: string } | null> {
  return (await machine.state())?.ring.others[0] ?? null
}

test('a ring that only the cloud calls the same owner’s is gone over to when the owner agrees, and not before', async () => {
  const up = await TestRing.up({ profiles: ['pi5-desktop', 'pi5-server', 'macbook'], directory, joined: false, mode: 'loopback' })
  ring = up
  const [home, away, friend] = up.machines as [RingMachine, RingMachine, RingMachine]
  const { text, stored } = sampleToken(control.instance.publicKey, control.now(), { maxUses: 10 })
  control.store.addToken(stored)
  const registered = (machine: RingMachine) => run(machine, { THATDAM_TOKEN: text }, 'register', '--url', control.url)
  home.start()
  await home.answers()
  await registered(home)
  const isFounded = () => typeof control.store.rings?.rings.get('org-1')?.ring.confirmedAtMs === 'number'
  await until('the organisation has its ring', isFounded, LIMIT_MS)
  await home.shutDown()
  // This one waits for that ring, which is off, and lets a friend into its own meanwhile.
  away.start()
  await away.answers()
  await registered(away)
  const token = /td1\.\S+/.exec(await run(away, {}, 'token'))?.[0] ?? ''
  friend.start()
  await friend.answers()
  await run(friend, { THATDAM_TOKEN: token }, 'register')
  const { clusterId } = await up.settled({ among: [away, friend], limitMs: LIMIT_MS })

  home.start()
  await until('it is asked', async () => (await otherOf(away))?.fate === 'asks', LIMIT_MS)
  const fingerprint = (await home.state())?.node.fingerprint ?? ''
  expect((await otherOf(away))?.fingerprint).toBe(fingerprint)
  expect(clusterId).not.toBe((await home.cluster())?.cluster_id)
  await up.settled({ among: [away, friend], limitMs: LIMIT_MS })
  await expect(away.local('POST', `/local/rings/${'0'.repeat(64)}/go-over`, {})).rejects.toThrow('404')
  await away.local('POST', `/local/rings/${fingerprint}/go-over`, {})
  const at = { clusterId: (await home.cluster())?.cluster_id }
  expect(await up.settled({ among: [home, away], limitMs: LIMIT_MS })).toMatchObject(at)
  // The cloud vouches for the machine that it knows, not for whom that one let in.
  await until('the friend is told', async () => (await otherOf(friend))?.reason.includes('thatdam leave') === true, LIMIT_MS)
  await run(friend, {}, 'leave', '--yes')
  await registered(friend)
  expect(await up.settled({ limitMs: LIMIT_MS })).toMatchObject(at)
}, 240_000)
