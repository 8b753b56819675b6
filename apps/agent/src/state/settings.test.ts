import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { generateKey, verifySignature } from '@thatdam/control/keys'
import { OpLog } from '@thatdam/oplog/disk/log'
import type { OpBody } from '@thatdam/protocol/ops'
import { Settings } from './settings.ts'

const key = generateKey()
let directory: string
let oplog: OpLog
let changes: number
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'thatdam-settings-'))
  const signing = { signer: key, verify: verifySignature, random: (count: number) => randomBytes(count) }
  oplog = OpLog.open(directory, { nodeId: 'node-1', clock: Date.now, ...signing })
  changes = 0
  maySign = true
  damages = []
})
afterEach(() => {
  oplog.close()
  rmSync(directory, { recursive: true, force: true })
})

let maySign = true
let damages: string[] = []
const open = (): Promise<Settings> =>
  Settings.open({
    path: join(directory, 'settings.json'),
    assetsPath: join(directory, 'assets.db'),
    nodeId: 'node-1',
    defaultName: 'Node',
    oplog,
    allowedRoots: () => [],
    maySign: () => maySign,
    changed: () => (changes += 1),
    damaged: (sentence) => void damages.push(sentence),
  })
const append = (...bodies: OpBody[]): void => void oplog.append(bodies.map((body) => ({ body })))
const naming = (value: string): OpBody => ({ kind: 'camera.set', subject: 'usb-1', field: 'name', value, replaces: null })
const nothing = {
  width: null,
  height: null,
  durationMs: null,
  fps: null,
  container: null,
  videoCodec: null,
  audioCodec: null,
  bitRate: null,
}
const untold = { orientation: null, takenAtMs: null, takenAtZone: null, cameraMake: null, cameraModel: null, lens: null }
const media = { mimeType: 'image/jpeg', ...nothing, ...untold, timecode: null, latitude: null, longitude: null }
const ingested = (digit: string): OpBody => ({
  kind: 'asset.ingested',
  assetId: digit.repeat(64),
  sizeBytes: 1,
  assetKind: 'photo',
  title: 'a.jpg',
  origin: 'indexed',
  media,
  capture: null,
})

test('an asset told twice counts once, also over a restart and after its count was lost', async () => {
  const settings = await open()
  append(ingested('a'), ingested('b'), ingested('a'))
  settings.absorb()
  append(ingested('b'), ingested('c'))
  settings.absorb()
  expect(settings.assets).toBe(3)
  await settings.save()
  settings.close()
  const again = await open()
  expect(again.assets).toBe(3)
  again.close()
  writeFileSync(join(directory, 'assets.db'), 'no database'.repeat(50))
  const anew = await open()
  expect(anew.assets).toBe(3)
  anew.close()
})

test('the newest name of a camera counts and is told as a change; settings of an older version are folded anew', async () => {
  const settings = await open()
  append(ingested('a'), naming('Door'))
  expect(settings.absorb()).toBe(true)
  append(naming('Front door'))
  settings.absorb()
  expect([...settings.cameraNames]).toEqual([['usb-1', 'Front door']])
  expect(changes).toBe(2)
  expect(settings.absorb()).toBe(false)
  await settings.save()
  settings.close()
  const { folds: _folds, ...old } = JSON.parse(readFileSync(join(directory, 'settings.json'), 'utf8')) as Record<string, unknown>
  writeFileSync(join(directory, 'settings.json'), JSON.stringify({ ...old, winners: {}, assets: 7 }))
  const again = await open()
  expect([...again.cameraNames]).toEqual([['usb-1', 'Front door']])
  again.close()
})

test('a feed that was rebuilt is folded anew: what no longer counts is forgotten', async () => {
  append({ kind: 'node.set', subject: 'node-1', field: 'name', value: 'Kitchen', replaces: null }, naming('Door'), ingested('a'))
  const settings = await open()
  expect([settings.value.name, settings.cameraNames.get('usb-1'), settings.assets]).toEqual(['Kitchen', 'Door', 1])
  oplog.rejudge((_, signer) => ({ publicKey: signer, admitter: false }))
  expect(settings.absorb()).toBe(true)
  expect([settings.value.name, settings.cameraNames.get('usb-1'), settings.assets]).toEqual(['Node', undefined, 1])
  settings.close()
})

test('where only the leader may sign, a wish counts here at once, outlasts a restart, and is gone when the leader has signed it', async () => {
  maySign = false
  const settings = await open()
  settings.set({ name: 'Attic', labels: ['studio'] })
  await settings.save()
  expect(oplog.position).toBe(0)
  expect(settings.value).toMatchObject({ name: 'Attic', labels: ['studio'] })
  settings.close()
  const again = await open()
  expect(again.pending).toEqual({ name: 'Attic', labels: ['studio'] })
  append({ kind: 'node.set', subject: 'node-1', field: 'name', value: 'Attic', replaces: null })
  again.absorb()
  expect(again.pending).toEqual({ labels: ['studio'] })
  maySign = true
  again.absorb()
  expect(again.pending).toBeNull()
  expect(oplog.read(0, 10).map(({ op }) => ('value' in op.body ? op.body.value : null))).toEqual(['Attic', ['studio']])
  again.close()
})

test('what was wished in one ring is wished again in the next', async () => {
  const settings = await open()
  settings.set({ indexPaths: ['/media'] })
  maySign = false
  await settings.carryOver()
  expect(settings.pending).toEqual({ indexPaths: ['/media'] })
  settings.close()
})

test('a damaged file is kept aside and told; the settings come from the op-log', async () => {
  append({ kind: 'node.set', subject: 'node-1', field: 'name', value: 'Studio', replaces: null })
  const settings = await open()
  await settings.save()
  settings.close()
  const file = join(directory, 'settings.json')
  writeFileSync(file, readFileSync(file, 'utf8').slice(0, 40))
  const again = await open()
  expect(again.value.name).toBe('Studio')
  expect(damages).toEqual([expect.stringContaining(`It was kept as ${file}.damaged`)])
  expect(readFileSync(`${file}.damaged`, 'utf8')).toHaveLength(40)
  await again.save()
  again.close()
  damages = []
  const third = await open()
  third.close()
  expect(damages).toEqual([])
})
