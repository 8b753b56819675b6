import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { waitFor } from '@thatdam/testkit/service-host'
import sharp from 'sharp'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { isBlack, photo, sha, TestDeriver } from './testing/deriver.ts'
import { FILM, jobFor, ordered, READING, RECIPES } from './testing/jobs.ts'

// Real processes on a machine that may be busy: deadlines, not expectations.
vi.setConfig({ testTimeout: 120_000 })

let deriver: TestDeriver
beforeEach(async () => {
  deriver = await TestDeriver.open()
})
afterEach(() => deriver.close())

test('a picture that only another machine has is fetched, also over a line that breaks, and its previews are made here', async () => {
  const bytes = await photo('blue')
  const source = sha(bytes)
  deriver.agent.sources.set(source, bytes)
  deriver.agent.brittle.add(source)
  deriver.start()
  const job = jobFor(source, bytes.length, 1)
  await ordered(deriver, [job])
  const made = await deriver.thumbs(source)
  expect(await sharp(made['thumb-320']).metadata()).toMatchObject({ width: 320 })
  expect(await waitFor(async () => (await ordered(deriver, [job]))[source] === 'done')).toBe(true)
  expect(readdirSync(join(deriver.stateDir, 'deriver-scratch'))).toEqual([])
  expect(await deriver.store.has(source)).toBe(false)
  // Given once more, by another leader: it is done already, and nothing is told twice.
  await ordered(deriver, [])
  expect(await waitFor(async () => (await ordered(deriver, [{ ...job, fence: { term: 2, count: 1 } }]))[source] === 'done')).toBe(true)
  expect(deriver.agent.ops('derivative.made')).toHaveLength(2)
})

test('what cannot be had, is broken, or is given to another meanwhile ends as it should', async () => {
  const broken = Buffer.from('\u00ff\u00d8\u00ff not a picture', 'latin1')
  deriver.agent.sources.set(sha(broken), broken)
  const nowhere = sha(Buffer.from('nowhere'))
  deriver.start()
  const jobs = [jobFor(sha(broken), broken.length, 1), jobFor(nowhere, 10, 2), jobFor(sha(Buffer.from('huge')), 9e9, 3)]
  expect(
    await waitFor(async () => {
      const told = await ordered(deriver, jobs)
      return Object.values(told).every((state) => state === 'failed' || state === 'cannot') ? told : null
    }),
  ).toEqual({ [sha(broken)]: 'failed', [nowhere]: 'cannot', [sha(Buffer.from('huge'))]: 'cannot' })
  expect(await deriver.failure(sha(broken))).not.toBe('')
  expect(deriver.agent.ops('derivative.failed').every(({ sourceSha256 }) => sourceSha256 === sha(broken))).toBe(true)
  // Under a later fence it is tried again; what the leader names no more is forgotten.
  const bytes = await photo('red')
  const [, second] = jobs
  if (!second) throw new Error('two')
  const had = { ...second, source: sha(bytes), jobId: `derive/${sha(bytes)}/${'0'.repeat(16)}`, sizeBytes: bytes.length }
  await waitFor(async () => (await ordered(deriver, [had]))[sha(bytes)] === 'cannot')
  deriver.agent.sources.set(sha(bytes), bytes)
  expect(await ordered(deriver, [had])).toEqual({ [sha(bytes)]: 'cannot' })
  await ordered(deriver, [{ ...had, fence: { term: 1, count: 9 } }])
  await deriver.thumbs(sha(bytes))
  expect(await ordered(deriver, [])).toEqual({})
})

test('own pictures and those of others take turns', async () => {
  const own = await Promise.all(['#100000', '#200000', '#300000', '#400000'].map(photo))
  for (const bytes of own) await deriver.add(bytes, 'photo', 'image/jpeg')
  const others = await Promise.all(['#000010', '#000020'].map(photo))
  for (const bytes of others) deriver.agent.sources.set(sha(bytes), bytes)
  deriver.start()
  await ordered(
    deriver,
    others.map((bytes, n) => jobFor(sha(bytes), bytes.length, n + 1)),
  )
  for (const bytes of [...own, ...others]) await deriver.thumbs(sha(bytes))
})

/** 100 MB and more, with what says where everything is at its end, as cameras write it. */
const longFilm = (name: string): Buffer =>
  deriver.ffmpeg(
    name,
    '-f',
    'lavfi',
    '-i',
    'testsrc2=s=960x540:r=25:d=16,noise=alls=40',
    '-c:v',
    'mjpeg',
    '-q:v',
    '3',
    '-pix_fmt',
    'yuvj420p',
  )

test('of a film of another machine only some parts are read; where ffmpeg is missing, nothing is asked for', async () => {
  const film = longFilm('theirs.mov')
  deriver.agent.sources.set(sha(film), film)
  const job = { ...jobFor(sha(film), film.length, 1), ...FILM, mimeType: 'video/quicktime', recipes: [...RECIPES, READING] }
  deriver.start(null)
  expect(await waitFor(async () => (await ordered(deriver, [job]))[sha(film)] === 'cannot')).toBe(true)
  expect(deriver.agent.askedSources).toEqual([])
  await deriver.stop()
  deriver.start()
  expect(await waitFor(async () => (await ordered(deriver, [job]))[sha(film)] === 'done')).toBe(true)
  expect((await deriver.probed(sha(film))).media).toMatchObject({ durationMs: 16_000, videoCodec: 'mjpeg', width: 960 })
  expect(await isBlack((await deriver.thumbs(sha(film)))['thumb-320'])).toBe(false)
  expect(film.length).toBeGreaterThan(100e6)
  expect(deriver.agent.sentBytes).toBeLessThan(film.length / 2)
  expect(readdirSync(join(deriver.stateDir, 'deriver-scratch'))).toEqual([])
})

test('a line that breaks while a film is read says nothing about the film: it is tried again', async () => {
  const film = deriver.lateFilm('theirs.mp4')
  deriver.agent.sources.set(sha(film), film)
  deriver.agent.brittle.add(sha(film))
  deriver.start()
  const job = { ...jobFor(sha(film), film.length, 1), ...FILM, recipes: [...RECIPES, READING] }
  expect(await waitFor(async () => (await ordered(deriver, [job]))[sha(film)] === 'cannot')).toBe(true)
  expect([deriver.agent.ops('asset.probed'), deriver.agent.ops('derivative.failed'), deriver.agent.ops('derivative.made')]).toEqual([
    [],
    [],
    [],
  ])
  await ordered(deriver, [{ ...job, fence: { term: 1, count: 2 } }])
  await deriver.thumbs(sha(film))
  expect((await deriver.probed(sha(film))).media.durationMs).toBe(8_000)
})
