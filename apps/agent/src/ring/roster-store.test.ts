import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { admit } from '@thatdam/control/roster-edit'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { RosterStore, writeRoster } from './roster-store.ts'
import { foundRing, identities } from './testing/ring.ts'

let directory = ''
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'thatdam-roster-store-'))
})
afterEach(() => {
  rmSync(directory, { recursive: true, force: true })
})

test('a ring that was left does not write over the next one: what was on its way is there first, and nothing comes after', async () => {
  const [own, first, second] = identities(['own', 'first', 'second'])
  if (!own || !first || !second) throw new Error('three')
  const path = join(directory, 'roster.jsonl')
  const old = new RosterStore(path, foundRing([own]))
  const letIn = ({ nodeId, key }: typeof own) =>
    old.edit(own.key, (desk) => admit(desk, { nodeId, publicKey: key.publicKey, bootCounter: 0 }))
  const underWay = letIn(first)
  await old.leave()
  await expect(underWay).resolves.not.toBeNull()
  const next = foundRing([second, own])
  await writeRoster(path, next)
  await expect(letIn(second)).rejects.toThrow('has left that ring')
  const [line] = readFileSync(path, 'utf8').split('\n')
  expect(JSON.parse(line ?? '')).toEqual(next.genesis)
})
