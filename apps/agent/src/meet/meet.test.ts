import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { NewRecoveryKey } from '@thatdam/protocol/ring-door'
import { OpFeed } from '@thatdam/protocol/local'
import { until } from '@thatdam/testkit/hosts/command'
import { foundRing } from '@thatdam/testkit/ring/found'
import type { RingMachine } from '@thatdam/testkit/ring/machine'
import { TestRing } from '@thatdam/testkit/ring/ring'
import type { ProfileName } from '@thatdam/testkit/profiles/load'
import { afterEach, beforeEach, expect, test } from 'vitest'

/* Two rings of real agents, each founded by itself, that discovery shows to each other. */

const FIRST = '00000000-0000-4000-8000-000000000001'
const SECOND = '00000000-0000-4000-8000-000000000002'
const LIMIT_MS = 90_000

let directory = ''
let ring: TestRing | null = null
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'thatdam-meet-'))
})
afterEach(async () => {
  await ring?.down()
  ring = null
  rmSync(directory, { recursive: true, force: true })
})

type Rings = {
  readonly machines: readonly RingMachine[]
  readonly winners: readonly RingMachine[]
  readonly losers: readonly RingMachine[]
}

/** Not started. The first ring has the smaller id. */
async function twoRings(winning: readonly ProfileName[], losing: readonly ProfileName[]): Promise<Rings> {
  const up = await TestRing.up({ profiles: [...winning, ...losing], directory, joined: false })
  ring = up
  const [winners, losers] = [winning, losing].map((names) => names.map((name) => up.machine(name))) as [RingMachine[], RingMachine[]]
  foundRing(winners, FIRST)
  foundRing(losers, SECOND)
  return { machines: up.machines, winners, losers }
}

async function start(machines: readonly RingMachine[]): Promise<void> {
  for (const machine of machines) machine.start()
  await Promise.all(machines.map((machine) => machine.answers()))
}

const makeKey = async (machine: RingMachine): Promise<string> =>
  NewRecoveryKey.parse(await machine.local('POST', '/local/recovery-key', {})).words
const useKey = (machine: RingMachine, words: string) => machine.local('POST', '/local/recovery-key/use', { words })

const titleOf = (machine: RingMachine, subject: string, value: string) =>
  machine.local('POST', '/local/ops', { ops: [{ body: { kind: 'asset.set', subject, field: 'title', value, replaces: null } }] })

async function titlesOn(machine: RingMachine): Promise<string[]> {
  const { entries } = OpFeed.parse(await machine.local('GET', '/local/ops?after=0&limit=2000&waitMs=0'))
  return entries.flatMap(({ op: { body } }) => (body.kind === 'asset.set' && body.field === 'title' && typeof body.value === 'string' ? [body.value] : [])).toSorted()
}

test('two rings with the same printed key become one, with what was edited in both', async () => {
  const { machines, winners, losers } = await twoRings(['pi5-desktop', 'macbook'], ['pi5-server', 'win11-editor'])
  await start(machines)
  const [winner, loser] = [winners[0], losers[0]] as [RingMachine, RingMachine]
  await titleOf(winner, 'a'.repeat(64), 'of the first')
  await titleOf(loser, 'b'.repeat(64), 'of the second')
  const words = await makeKey(winner)
  await expect(useKey(loser, words.replace(/^.{4}/, 'ABCD'))).rejects.toThrow(
    'its check signs do not fit. Compare it with the printed sheet.',
  )
  expect(await useKey(loser, words.toLowerCase())).toEqual({ outcome: 'named' })
  expect(await ring?.settled({ limitMs: LIMIT_MS })).toMatchObject({ clusterId: FIRST })
  const all = async () => (await Promise.all([winner, loser].map(titlesOn))).every((titles) => titles.length === 2)
  await until('both have what was edited in both', all, LIMIT_MS)
  expect(await titlesOn(winner)).toEqual(['of the first', 'of the second'])
}, 240_000)
