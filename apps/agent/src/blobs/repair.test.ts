import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { layoutOf, type Layout, type StoreNode } from '@thatdam/plan/placement/layout'
import { placeBlob } from '@thatdam/plan/placement/place'
import { ThatdamError } from '@thatdam/protocol/errors'
import type { OpBody } from '@thatdam/protocol/ops'
import { openBlobStore, type BlobStore } from '@thatdam/store/blob-store'
import { LibraryIndex } from './library-index.ts'
import { Repair } from './repair.ts'

const NEVER = new AbortController().signal
const node = (nodeId: string, state: StoreNode['state'] = 'here'): StoreNode => ({ nodeId, weight: 100, site: null, state, isFull: false })
const bytesOf = (n: number) => Buffer.from(`blob ${n}`)
const nameOf = (n: number) => createHash('sha256').update(bytesOf(n)).digest('hex')

let folder = ''
let index: LibraryIndex
let store: BlobStore
let position = 0
/** What the others hold. */
let theirs: Map<string, Buffer>
let asked: string[]
let told: string[]
let awake: Set<string>
let refusal: ThatdamError | null
let layoutNow: Layout | null

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'thatdam-repair-'))
  index = LibraryIndex.open(join(folder, 'library.db'))
  index.follow('feed')
  store = await openBlobStore(join(folder, 'store'), { reserveBytes: 0 })
  position = 0
  theirs = new Map()
  asked = []
  told = []
  awake = new Set(['pi', 'mac', 'win'])
  refusal = null
  layoutNow = null
})
afterEach(() => {
  index.close()
  rmSync(folder, { recursive: true, force: true })
})

function learn(bodies: readonly OpBody[]): void {
  index.take(
    bodies.map((body) => {
      position += 1
      return { position, nodeId: 'pi', op: { id: '0'.repeat(32), hlc: '1800000000000-000000-pi', body } }
    }),
  )
}

function held(nodeId: string, ...numbers: readonly number[]): void {
  learn(numbers.map((n) => ({ kind: 'blob.stored', sha256: nameOf(n), sizeBytes: bytesOf(n).length, nodeId })))
  for (const n of numbers) theirs.set(nameOf(n), bytesOf(n))
}

function repairer(): Repair {
  return new Repair({
    nodeId: 'me',
    index,
    store: async () => store,
    blobs: {
      fetch: async ({ sha256 }) => {
        asked.push(sha256)
        if (refusal !== null) throw refusal
        return await store.put(theirs.get(sha256) ?? Buffer.alloc(0), { expectedSha256: sha256 })
      },
    },
    layout: () => layoutNow,
    isAwake: (nodeId) => awake.has(nodeId),
    tell: (bodies) => {
      told.push(...bodies.flatMap((body) => (body.kind === 'blob.stored' ? [body.sha256] : [])))
      learn(bodies)
    },
    changed: async () => {},
    statusChanged: () => {},
    log: () => {},
  })
}

const two = layoutOf([node('me'), node('pi')], 2)
const four = layoutOf([node('me'), node('pi'), node('mac'), node('win')], 2)
const mine = (layout: Layout, count: number) =>
  Array.from({ length: count }, (_, n) => nameOf(n)).filter((sha256) => placeBlob(layout, sha256).holders.includes('me'))

const play = async (repair: Repair, layout: Layout) => {
  layoutNow = layout
  await repair.round(layout, NEVER)
}

test('with two machines everything lies on both, is told, and after that it is quiet', async () => {
  held('pi', ...Array.from({ length: 40 }, (_, n) => n))
  const repair = repairer()
  await play(repair, two)
  expect([told.length, new Set(told).size, repair.status.missingBlobs]).toEqual([40, 40, 0])
  for (let n = 0; n < 40; n++) expect(await store.verify(nameOf(n))).toBe('ok')
  await play(repair, two)
  expect(asked).toHaveLength(40)
  held('pi', 40)
  await play(repair, two)
  expect(asked.slice(40)).toEqual([nameOf(40)])
})

test('of many machines each keeps its own share only', async () => {
  held('pi', ...Array.from({ length: 200 }, (_, n) => n))
  const repair = repairer()
  await play(repair, four)
  expect(told.toSorted()).toEqual(mine(four, 200).toSorted())
  expect(told.length).toBeGreaterThan(60)
  expect(told.length).toBeLessThan(140)
})

test('what the log says is here and is not is fetched again; what is here untold is told', async () => {
  held('me', 1)
  held('pi', 1, 2)
  await store.put(bytesOf(2))
  const repair = repairer()
  await play(repair, two)
  expect([asked, told.toSorted()]).toEqual([[nameOf(1)], [nameOf(1), nameOf(2)].toSorted()])
})

test('nobody who has it is awake: nothing is asked, and it says so; then it comes', async () => {
  held('pi', 1)
  awake.delete('pi')
  const repair = repairer()
  await play(repair, two)
  expect([asked, repair.status]).toEqual([
    [],
    { missingBlobs: 1, fetchedBlobs: 0, fetchedBytes: 0, reason: 'The machines that have the missing files are away.' },
  ])
  awake.add('pi')
  await play(repair, two)
  expect([told, repair.status]).toEqual([[nameOf(1)], { missingBlobs: 0, fetchedBlobs: 1, fetchedBytes: 6, reason: '' }])
})

test('what cannot be had is not asked for again at once, and a full disk stops all of it', async () => {
  held('pi', ...Array.from({ length: 30 }, (_, n) => n))
  refusal = new ThatdamError('UNAVAILABLE', 'No.')
  const repair = repairer()
  await play(repair, two)
  await play(repair, two)
  expect([asked.length, repair.status.missingBlobs, repair.status.reason]).toEqual([30, 30, 'No.'])
  refusal = new ThatdamError('DISK_FULL', 'The disk is full.')
  asked.length = 0
  const other = repairer()
  await play(other, two)
  await play(other, two)
  expect(asked.length).toBeLessThanOrEqual(16)
  expect(other.status.reason).toBe('The disk is full.')
})

test('a machine that is long away has a stand-in', async () => {
  held('pi', ...Array.from({ length: 100 }, (_, n) => n))
  const repair = repairer()
  await play(repair, four)
  const before = told.length
  await play(repair, layoutOf([node('me'), node('pi'), node('mac'), node('win', 'long-away')], 2))
  expect(told.length).toBeGreaterThan(before)
})
