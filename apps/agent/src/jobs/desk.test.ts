import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { WorkNode } from '@thatdam/plan/sharing/contract'
import type { DeriveJob, JobState } from '@thatdam/protocol/jobs'
import type { MediaInfo, OpBody } from '@thatdam/protocol/ops'
import { recipeHash, wantedRecipes } from '@thatdam/store/recipe-hash'
import { LibraryIndex } from '../blobs/library-index.ts'
import { JobDesk, LEASE_MS } from './desk.ts'

let folder = ''
let index: LibraryIndex
let position = 0
let nowMs = 0
const sha = (text: string): string => createHash('sha256').update(text).digest('hex')

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'thatdam-desk-'))
  index = LibraryIndex.open(join(folder, 'library.db'))
  index.follow('feed')
  position = 0
  nowMs = 0
})
afterEach(() => {
  index.close()
  rmSync(folder, { recursive: true, force: true })
})

function learn(...bodies: readonly OpBody[]): void {
  index.take(
    bodies.map((body) => {
      position += 1
      return { position, nodeId: 'win', op: { id: '0'.repeat(32), hlc: '1800000000000-000000-win', body } }
    }),
  )
}

/** Pictures in a folder of `win`. */
function pictures(count: number, nodeId = 'win'): void {
  const media = { mimeType: 'image/jpeg', durationMs: null } as MediaInfo
  for (let n = 0; n < count; n++) {
    const at = { assetId: sha(`p${n}`), sizeBytes: 9 }
    learn(
      { kind: 'asset.ingested', ...at, assetKind: 'photo', title: 'p', origin: 'indexed', media, capture: null },
      { kind: 'location.seen', ...at, nodeId, root: '/p', path: { encoding: 'utf8', value: `${n}.jpg` }, modifiedAtMs: 1 },
    )
  }
}

const made = (job: DeriveJob): void =>
  learn(
    ...job.recipes.map(({ recipe, recipeHash: hash }): OpBody => {
      const blob = { sha256: sha(job.source + recipe), sizeBytes: 1, mimeType: 'image/webp', width: 1, height: 1 }
      return { kind: 'derivative.made', sourceSha256: job.source, recipe, recipeHash: hash, ...blob }
    }),
  )

const worker = (nodeId: string, maxDerives = 2): WorkNode => ({
  nodeId,
  cpuCores: 4,
  quotas: { maxDerives, maxTranscodes: 0, maxIntel: 0, cpuReservePercent: 0, quietHours: null },
  utcOffsetMinutes: 0,
  isTaking: true,
})

function step(desk: JobDesk, nodes: readonly string[], awake: readonly string[] = nodes): void {
  desk.step(
    nodes.map((nodeId) => worker(nodeId)),
    new Set(awake),
    { wallMs: 1_800_000_000_000 + nowMs, monotonicMs: nowMs },
  )
}

const newDesk = (term = 1) => new JobDesk({ term, nodeId: 'me', index })
const jobsOf = (desk: JobDesk, nodeId: string): readonly DeriveJob[] => desk.orderFor(nodeId).jobs
const say = (desk: JobDesk, nodeId: string, jobs: readonly DeriveJob[], state: JobState, progress = 0) =>
  desk.hear(
    nodeId,
    { jobs: jobs.map(({ jobId, fence }) => ({ jobId, fence, state, progress, reason: '' })) },
    { wallMs: nowMs, monotonicMs: nowMs },
  )

test('previews that are missing are shared out by quota, and what was made makes room for the next', () => {
  pictures(7)
  const desk = newDesk()
  step(desk, ['pi', 'mac'])
  expect([jobsOf(desk, 'pi').length, jobsOf(desk, 'mac').length, desk.counts]).toEqual([2, 2, { waiting: 3, running: 4 }])
  const [first] = jobsOf(desk, 'pi')
  expect(first).toMatchObject({
    holders: ['win'],
    recipes: wantedRecipes(false).map((recipe) => ({ recipe, recipeHash: recipeHash(recipe) })),
  })
  for (let round = 0; round < 9; round++) {
    for (const nodeId of ['pi', 'mac']) for (const job of jobsOf(desk, nodeId)) made(job)
    step(desk, ['pi', 'mac'])
  }
  expect([index.lacking(0, 10), desk.counts]).toEqual([[], { waiting: 0, running: 0 }])
})

test('a machine that has the picture does it; one that is away has lost its jobs, and another does them', () => {
  pictures(1, 'pi')
  const desk = newDesk()
  step(desk, ['pi', 'mac'])
  const [job] = jobsOf(desk, 'pi')
  expect([jobsOf(desk, 'pi').length, jobsOf(desk, 'mac').length]).toEqual([1, 0])
  step(desk, ['mac'])
  const [again] = jobsOf(desk, 'mac')
  expect(again?.source).toBe(job?.source)
  expect(again?.fence.count).toBeGreaterThan(job?.fence.count ?? Infinity)
  // A late word of the first one is nothing.
  if (job) say(desk, 'pi', [job], 'cannot')
  expect(jobsOf(desk, 'mac')).toHaveLength(1)
})

test('one that does not get on loses the job after the lease; one that does keeps it', () => {
  pictures(1)
  const desk = newDesk()
  step(desk, ['pi'])
  const begun = jobsOf(desk, 'pi')
  for (let n = 0; n < 5; n++) {
    nowMs += LEASE_MS / 2
    say(desk, 'pi', begun, 'running', n)
    step(desk, ['pi', 'mac'])
    expect(jobsOf(desk, 'pi')).toHaveLength(1)
  }
  nowMs += LEASE_MS
  say(desk, 'pi', begun, 'running', 4)
  step(desk, ['pi', 'mac'])
  expect([jobsOf(desk, 'pi').length, jobsOf(desk, 'mac').length]).toEqual([0, 1])
})

test('who cannot is passed over for who can; when nobody can, it waits, longer each time', () => {
  pictures(1)
  const desk = newDesk()
  step(desk, ['pi', 'mac'])
  const holder = jobsOf(desk, 'pi').length > 0 ? 'pi' : 'mac'
  const other = holder === 'pi' ? 'mac' : 'pi'
  say(desk, holder, jobsOf(desk, holder), 'cannot')
  step(desk, ['pi', 'mac'])
  expect([jobsOf(desk, holder).length, jobsOf(desk, other).length]).toEqual([0, 1])
  let triedAtMs = nowMs
  const waits: number[] = []
  for (let n = 0; n < 4; n++) {
    for (let tries = 0; desk.workers.size > 0 && tries < 2; tries++) {
      for (const nodeId of desk.workers) say(desk, nodeId, jobsOf(desk, nodeId), 'cannot')
      step(desk, ['pi', 'mac'])
    }
    while (desk.workers.size === 0 && nowMs < 3_600_000) {
      nowMs += 1_000
      step(desk, ['pi', 'mac'])
    }
    waits.push(nowMs - triedAtMs)
    triedAtMs = nowMs
  }
  expect(waits.every((wait) => wait >= 5_000)).toBe(true)
  expect(waits.at(-1)).toBeGreaterThan(waits[0] ?? Infinity)
})

test('a film that its own machine cannot read goes to one that can; read and shown, or broken, it is done', () => {
  const at = { assetId: sha('film'), sizeBytes: 9 }
  const media = { mimeType: 'video/mp4', container: null, durationMs: null } as MediaInfo
  learn(
    { kind: 'asset.ingested', ...at, assetKind: 'video', title: 'f', origin: 'indexed', media, capture: null },
    { kind: 'location.seen', ...at, nodeId: 'pi', root: '/p', path: { encoding: 'utf8', value: 'f.mp4' }, modifiedAtMs: 1 },
  )
  const desk = newDesk()
  step(desk, ['pi', 'mac'])
  say(desk, 'pi', jobsOf(desk, 'pi'), 'cannot')
  step(desk, ['pi', 'mac'])
  const [job] = jobsOf(desk, 'mac')
  if (!job) throw new Error('one')
  expect(job.recipes.map(({ recipe }) => recipe)).toEqual(wantedRecipes(true))
  const { assetId } = at
  const read = { ...media, container: 'mp4', durationMs: 2_000 }
  learn({ kind: 'asset.probed', assetId, recipeHash: recipeHash('media-info'), assetKind: 'video', media: read, problem: null })
  step(desk, ['pi', 'mac'])
  expect(jobsOf(desk, 'mac')[0]?.recipes.map(({ recipe }) => recipe)).toEqual(wantedRecipes(false))
  made({ ...job, recipes: job.recipes.filter(({ recipe }) => recipe !== 'media-info') })
  step(desk, ['pi', 'mac'])
  expect(desk.counts).toEqual({ waiting: 0, running: 0 })
})

test('a new leader has the same to do, under later fences', () => {
  pictures(4)
  const before = newDesk(5)
  step(before, ['pi', 'mac'])
  for (const job of jobsOf(before, 'pi')) made(job)
  const after = newDesk(6)
  step(after, ['pi', 'mac'])
  const left = [...jobsOf(after, 'pi'), ...jobsOf(after, 'mac')]
  expect(left.map(({ source }) => source).toSorted()).toEqual(
    index
      .lacking(0, 10)
      .map(({ source }) => source)
      .toSorted(),
  )
  expect(left).toHaveLength(2)
  expect(left.every(({ fence }) => fence.term === 6)).toBe(true)
})

test('thousands wait in the op-log, not in memory', () => {
  pictures(1_500)
  const desk = newDesk()
  step(desk, ['pi'])
  expect(desk.counts.waiting + desk.counts.running).toBe(500)
  let done = 0
  while (index.lacking(0, 1).length > 0 && done < 2_000) {
    for (const job of jobsOf(desk, 'pi')) {
      made(job)
      done += 1
    }
    nowMs += 10
    step(desk, ['pi'])
  }
  expect(done).toBe(1_500)
})
