import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { OpFeedEntry } from '@thatdam/protocol/local'
import type { MediaInfo, OpBody } from '@thatdam/protocol/ops'
import { recipeHash } from '@thatdam/store/recipe-hash'
import { LibraryIndex } from './library-index.ts'
import { PreviewReader } from './preview-reader.ts'

let folder = ''
let index: LibraryIndex
let position = 0
const path = () => join(folder, 'library.db')
const sha = (text: string): string => createHash('sha256').update(text).digest('hex')

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'thatdam-library-'))
  position = 0
  index = LibraryIndex.open(path())
  index.follow('feed-1')
})
afterEach(() => {
  index.close()
  rmSync(folder, { recursive: true, force: true })
})

function entries(nodeId: string, ...bodies: readonly OpBody[]): OpFeedEntry[] {
  return bodies.map((body) => {
    position += 1
    return { position, nodeId, op: { id: sha(String(position)).slice(0, 32), hlc: `1800000000000-000000-${nodeId}`, body } }
  })
}

const stored = (nodeId: string, name: string, sizeBytes = 5): OpBody => ({ kind: 'blob.stored', sha256: sha(name), sizeBytes, nodeId })
const place = (nodeId: string, file: string) => ({ nodeId, root: '/photos', path: { encoding: 'utf8' as const, value: file } })
const seen = (nodeId: string, file: string, name: string): OpBody => ({
  kind: 'location.seen',
  assetId: sha(name),
  ...place(nodeId, file),
  sizeBytes: 5,
  modifiedAtMs: 1,
})
const asset = (name: string, assetKind: 'photo' | 'video' | 'other' = 'photo'): OpBody => ({
  kind: 'asset.ingested',
  assetId: sha(name),
  sizeBytes: 5,
  assetKind,
  title: name,
  origin: 'indexed',
  media: { mimeType: 'image/jpeg', durationMs: null } as MediaInfo,
  capture: null,
})
const film = (name: string, container: string | null): OpBody => ({ ...asset(name, 'video'), media: filmMedia(container, null) }) as OpBody
const filmMedia = (container: string | null, durationMs: number | null) => ({ mimeType: 'video/mp4', container, durationMs }) as MediaInfo
const probed = (name: string, problem: string | null = null, hash = recipeHash('media-info')): OpBody => ({
  kind: 'asset.probed',
  assetId: sha(name),
  recipeHash: hash,
  assetKind: 'video',
  media: filmMedia(problem === null ? 'mp4' : null, problem === null ? 2_000 : null),
  problem,
})
const made = (name: string, recipe: 'thumb-320' | 'thumb-1280'): OpBody => ({
  kind: 'derivative.made',
  sourceSha256: sha(name),
  recipe,
  recipeHash: recipeHash(recipe),
  sha256: sha(`${name} ${recipe}`),
  sizeBytes: 1,
  mimeType: 'image/webp',
  width: 1,
  height: 1,
})
const previews = (name: string): OpBody[] => [made(name, 'thumb-320'), made(name, 'thumb-1280')]
const failed = (name: string, recipe: 'thumb-320' | 'thumb-1280'): OpBody => ({
  kind: 'derivative.failed',
  sourceSha256: sha(name),
  recipe,
  recipeHash: recipeHash(recipe),
  reason: 'broken',
})

test('who has what: stored copies, originals in folders, files that went', () => {
  index.take(entries('pi', stored('pi', 'a', 7), stored('mac', 'a', 7), seen('win', 'x/a.jpg', 'b'), seen('win', 'y/a.jpg', 'b')))
  expect(index.holders(sha('a'))).toEqual({ stored: ['pi', 'mac'], inPlace: [], sizeBytes: 7 })
  expect(index.holders(sha('b'))).toEqual({ stored: [], inPlace: ['win'], sizeBytes: null })
  index.take(entries('win', { kind: 'location.gone', ...place('win', 'x/a.jpg') }))
  expect(index.holders(sha('b')).inPlace).toEqual(['win'])
  // At the second place lies another picture now.
  index.take(entries('win', seen('win', 'y/a.jpg', 'c')))
  expect([index.holders(sha('b')).inPlace, index.holders(sha('c')).inPlace]).toEqual([[], ['win']])
})

test('all blobs in pages, and news of copies alone', () => {
  const names = Array.from({ length: 7 }, (_, n) => `blob ${n}`)
  index.take(entries('pi', ...names.map((name) => stored('pi', name))))
  const before = index.position
  const found: string[] = []
  for (let page = index.blobs(null, 3); page.length > 0; page = index.blobs(page.at(-1)?.sha256 ?? null, 3)) {
    found.push(...page.map(({ sha256 }) => sha256))
  }
  expect(found).toEqual(names.map(sha).toSorted())
  index.take(entries('mac', stored('mac', 'blob 3'), stored('mac', 'blob 3'), asset('blob 3')))
  const news = index.news(before, 10)
  expect(news.blobs).toEqual([{ sha256: sha('blob 3'), sizeBytes: 5, stored: new Set(['pi', 'mac']) }])
  expect(index.news(news.position, 10).blobs).toEqual([])
})

test('an asset lacks previews until all are made or given up, whatever is told first', () => {
  index.take(entries('win', asset('a'), asset('text', 'other'), made('b', 'thumb-320'), failed('b', 'thumb-1280'), asset('b')))
  expect(index.lacking(0, 10)).toEqual([
    { source: sha('a'), author: 'win', kind: 'photo', mimeType: 'image/jpeg', durationMs: null, sizeBytes: 5, position: 1 },
  ])
  index.take(entries('pi', made('a', 'thumb-320')))
  expect(index.openRecipes(sha('a'))).toEqual([{ recipe: 'thumb-1280', recipeHash: recipeHash('thumb-1280') }])
  expect(index.isLacking(sha('a'))).toBe(true)
  index.take(entries('pi', failed('a', 'thumb-320'), made('a', 'thumb-1280')))
  expect([index.isLacking(sha('a')), index.preview(sha('a'), 'thumb-320'), index.preview(sha('b'), 'thumb-1280')]).toEqual([
    false,
    sha('a thumb-320'),
    null,
  ])
})

test('a film that could not be read where it lies is to be read, once, and its previews are made by what was read', () => {
  const wants = (name: string): string[] => index.openRecipes(sha(name)).map(({ recipe }) => recipe)
  index.take(entries('win', film('read', 'mp4'), film('unread', null)))
  expect([wants('read'), wants('unread')]).toEqual([
    ['thumb-320', 'thumb-1280'],
    ['thumb-320', 'thumb-1280', 'media-info'],
  ])
  // A reader of another version is not asked whether ours is wanted.
  index.take(entries('pi', probed('unread', null, sha('older'))))
  expect(wants('unread')).toContain('media-info')
  index.take(entries('pi', probed('unread')))
  expect([wants('unread'), index.lacking(1, 10)]).toMatchObject([['thumb-320', 'thumb-1280'], [{ durationMs: 2_000, kind: 'video' }]])
  index.take(entries('pi', made('unread', 'thumb-320'), made('unread', 'thumb-1280')))
  expect(index.isLacking(sha('unread'))).toBe(false)
})

test('whatever is told first: read in one place and not in another is to be read; told broken, it is not', () => {
  index.take(entries('win', film('a', 'mp4'), film('a', null), film('b', null), film('b', 'mp4'), ...previews('a'), ...previews('b')))
  index.take(entries('mac', film('c', 'mp4'), ...previews('c'), film('c', null)))
  expect(index.lacking(0, 10).map(({ source }) => source)).toEqual([sha('a'), sha('b'), sha('c')])
  index.take(entries('pi', probed('a', 'This film is broken.'), probed('b'), probed('c'), probed('d'), film('d', null), ...previews('d')))
  expect(index.lacking(0, 10)).toEqual([])
  expect(index.preview(sha('a'), 'thumb-320')).toBe(sha('a thumb-320'))
})

test('it goes on after a restart, begins anew with another feed, and a damaged file is made again', () => {
  index.take(entries('pi', stored('pi', 'a')))
  index.close()
  index = LibraryIndex.open(path())
  index.follow('feed-1')
  expect([index.position, index.holders(sha('a')).stored]).toEqual([1, ['pi']])
  index.follow('feed-2')
  expect([index.position, index.holders(sha('a')).stored]).toEqual([0, []])
  index.take(entries('mac', stored('mac', 'a')))
  expect(index.holders(sha('a')).stored).toEqual(['mac'])
  index.close()
  for (const suffix of ['-wal', '-shm']) rmSync(path() + suffix, { force: true })
  writeFileSync(path(), 'not a database, and long enough to be taken for one'.repeat(100))
  index = LibraryIndex.open(path())
  expect(index.position).toBe(0)
})

test('another process reads which blob is a preview, also before there is anything, and after the file was made anew', () => {
  const elsewhere = new PreviewReader(join(folder, 'nothing'))
  expect(elsewhere.find(sha('a'), 'thumb-320')).toBeNull()
  const reader = new PreviewReader(folder)
  expect(reader.find(sha('a'), 'thumb-320')).toBeNull()
  index.take(entries('pi', asset('a'), made('a', 'thumb-320'), failed('a', 'thumb-1280')))
  expect([reader.find(sha('a'), 'thumb-320'), reader.find(sha('a'), 'thumb-1280')]).toEqual([sha('a thumb-320'), null])
  index.follow('feed-2')
  expect(reader.find(sha('a'), 'thumb-320')).toBeNull()
  reader.close()
})
