import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { RosterStore } from '../ring/roster-store.ts'
import { foundRing, identities, quietLog } from '../ring/testing/ring.ts'
import { statePaths, type StatePaths } from '../state/paths.ts'
import { RingDoor } from './ring-door.ts'
import type { RingHost } from './ring-host.ts'

let directory = ''
let paths: StatePaths
let door: RingDoor

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'thatdam-ring-door-'))
  paths = statePaths(directory)
  const [founder] = identities(['pi5-desktop'])
  if (founder === undefined) throw new Error('one')
  const host = { store: new RosterStore(paths.roster, foundRing([founder])) } as RingHost
  door = new RingDoor({ host, identity: founder, paths, log: quietLog, installUrl: () => null, changed: () => {} })
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

test('join tokens that could not be read are read again the next time, and kept once they were', async () => {
  writeFileSync(paths.ringTokens, '{ "half of')
  await expect(door.joinTokens()).rejects.toThrow('is damaged')
  rmSync(paths.ringTokens)
  expect(await door.joinTokens()).toEqual({ tokens: [] })
  const { id } = await door.makeJoinToken({ machines: 1, lifeMinutes: 10 })
  writeFileSync(paths.ringTokens, '{ "half of')
  expect((await door.joinTokens()).tokens.map((token) => token.id)).toEqual([id])
})
