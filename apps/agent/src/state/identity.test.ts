import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { generateKey } from '@thatdam/control/keys'
import { NodeId } from '@thatdam/protocol/ids'
import { makeNodeId, openIdentity, readIdentity } from './identity.ts'
import { openRing, readRing } from './ring.ts'

let directory: string
const at = (name: string) => join(directory, name)
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'thatdam-identity-'))))
afterEach(() => rmSync(directory, { recursive: true, force: true }))

test.each([
  ['Pi5-Desktop', /^pi5-desktop-[0-9a-f]{6}$/],
  ['müllers-mac.local', /^mu-llers-mac-[0-9a-f]{6}$/],
  ['日本', /^machine-[0-9a-f]{6}$/],
  ['--a__b--', /^a-b-[0-9a-f]{6}$/],
  ['x'.repeat(255), /^x{48}-[0-9a-f]{6}$/],
])('a host name becomes a node id: %s', (host, expected) => {
  const nodeId = makeNodeId(host, generateKey().publicKey)
  expect(nodeId).toMatch(expected)
  expect(NodeId.safeParse(nodeId).success).toBe(true)
})

test('identity and ring are made once, are private, and are read again', async () => {
  const identity = await openIdentity(at('identity.json'), { nodeId: null })
  const ring = await openRing(at('roster.jsonl'), identity, 1)
  expect(statSync(at('identity.json')).mode & 0o777).toBe(0o600)
  expect(await openIdentity(at('identity.json'), { nodeId: 'another' })).toMatchObject({
    nodeId: identity.nodeId,
    key: { publicKey: identity.key.publicKey },
  })
  expect(await openRing(at('roster.jsonl'), identity, 9)).toEqual(ring)
  expect(ring.fingerprint).toMatch(/^[0-9a-f]{64}$/)
})

test('a damaged identity or roster is said and left as it is', async () => {
  const identity = await openIdentity(at('identity.json'), { nodeId: 'some-node' })
  await openRing(at('roster.jsonl'), identity, 1)
  const good = readFileSync(at('identity.json'), 'utf8')
  for (const text of ['', 'garbage', '{}', good.slice(0, 40), good.replace(identity.key.publicKey, generateKey().publicKey)]) {
    writeFileSync(at('identity.json'), text)
    await expect(readIdentity(at('identity.json'))).rejects.toThrow(/identity in .* is damaged .* Nothing was changed/)
    expect(readFileSync(at('identity.json'), 'utf8')).toBe(text)
  }
  const roster = readFileSync(at('roster.jsonl'), 'utf8')
  for (const text of ['', 'garbage', roster.replace(/"createdAtMs":\d/, '"createdAtMs":2')]) {
    writeFileSync(at('roster.jsonl'), text)
    await expect(readRing(at('roster.jsonl'))).rejects.toThrow('roster')
  }
})
