import { openIndexDb, setMeta } from '@thatdam/store/index-db'
import { recipeHash } from '@thatdam/store/recipe-hash'
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

test('a film that nobody could read is read where ffmpeg is installed later, and its picture is chosen by its length', async () => {
  const source = await deriver.addUnread(deriver.lateFilm('late.mp4'), 'video', 'video/mp4')
  deriver.start(null)
  await waitFor(() => deriver.hasSaid(/until ffmpeg is installed, or another machine/))
  expect([deriver.agent.ops('asset.probed'), await waitFor(() => deriver.status()?.waiting === 3)]).toEqual([[], true])
  await deriver.stop()
  deriver.start()
  expect(await deriver.probed(source)).toMatchObject({
    assetKind: 'video',
    recipeHash: recipeHash('media-info'),
    problem: null,
    media: { mimeType: 'video/mp4', durationMs: 8_000, fps: 10, videoCodec: 'h264', width: 320, height: 180 },
  })
  expect(await isBlack((await deriver.thumbs(source))['thumb-320'])).toBe(false)
  await waitFor(() => deriver.status()?.state === 'idle')
  await deriver.kill()
  deriver.agent.feedId = 'rebuilt'
  deriver.start()
  await deriver.thumbs(await deriver.add(await photo('green'), 'photo', 'image/jpeg'))
  expect([deriver.agent.ops('asset.probed').length, deriver.status()?.failed]).toEqual([1, 0])
})

test('what was taken in before there was a reader is read by the first version that has one', async () => {
  const source = await deriver.addUnread(deriver.lateFilm('late.mp4'), 'video', 'video/mp4')
  const before = openIndexDb(deriver.stateDir)
  setMeta(before, 'deriver.feed', deriver.agent.feedId)
  setMeta(before, 'deriver.position', String(deriver.agent.entries.length))
  before.close()
  deriver.start()
  expect(await deriver.probed(source)).toMatchObject({ media: { durationMs: 8_000 } })
})

test('a film without a picture turns out to be a sound, and one that is wanted for its length alone gets no preview', async () => {
  const sound = await deriver.addUnread(deriver.ffmpeg('sound.mp4', '-f', 'lavfi', '-i', 'sine=d=1'), 'video', 'video/mp4')
  deriver.start()
  expect(await deriver.probed(sound)).toMatchObject({
    assetKind: 'audio',
    media: { mimeType: 'audio/mp4', durationMs: 1_000, audioCodec: 'aac' },
  })
  expect(await sharp((await deriver.thumbs(sound))['thumb-320']).metadata()).toMatchObject({ width: 320, height: 180 })
  const film = deriver.ffmpeg('film.mkv', '-f', 'lavfi', '-i', 'testsrc=s=64x64:r=10:d=2')
  deriver.agent.sources.set(sha(film), film)
  await ordered(deriver, [{ ...jobFor(sha(film), film.length, 1), ...FILM, mimeType: 'video/x-matroska', recipes: [READING] }])
  expect(await deriver.probed(sha(film))).toMatchObject({ media: { durationMs: 2_000, container: 'matroska,webm' } })
  expect(deriver.agent.ops('derivative.made').filter(({ sourceSha256 }) => sourceSha256 === sha(film))).toEqual([])
})

test('a file that only its name calls a film is told to be broken, once, by whoever finds out', async () => {
  const text = Buffer.from('This is no film at all.\n'.repeat(40))
  const source = await deriver.addUnread(text, 'video', 'video/mp4')
  const empty = Buffer.from('another one')
  deriver.agent.sources.set(sha(empty), empty)
  deriver.start()
  const { problem, media } = await deriver.probed(source)
  expect([problem, media.container]).toEqual([expect.stringMatching(/is broken/), null])
  expect(await deriver.failure(source)).toMatch(/This film is broken/)
  const job = { ...jobFor(sha(empty), empty.length, 1), ...FILM, recipes: [...RECIPES, READING] }
  expect(await waitFor(async () => (await ordered(deriver, [job]))[sha(empty)] === 'failed')).toBe(true)
  expect(await deriver.probed(sha(empty))).toMatchObject({ problem: expect.stringMatching(/is broken/) })
  await deriver.kill()
  deriver.start()
  await deriver.thumbs(await deriver.add(await photo('green'), 'photo', 'image/jpeg'))
  expect([deriver.agent.ops('asset.probed').length, deriver.agent.ops('derivative.failed').map(({ recipe }) => recipe)]).toEqual([
    2,
    [...RECIPES, ...RECIPES].map(({ recipe }) => recipe),
  ])
})

test('where exiftool does not run, pictures get their previews all the same, and are read when it does', async () => {
  const source = await deriver.addUnread(
    await sharp(await photo('blue'))
      .png()
      .toBuffer(),
    'photo',
    'image/png',
  )
  vi.stubEnv('PATH', deriver.folder) // no Perl there
  deriver.start()
  vi.unstubAllEnvs()
  await deriver.thumbs(source)
  await waitFor(() => deriver.hasSaid(/until exiftool runs here/))
  expect([
    deriver.agent.ops('asset.probed'),
    deriver.agent.ops('derivative.failed'),
    await waitFor(() => deriver.status()?.waiting === 1),
  ]).toEqual([[], [], true])
  await deriver.stop()
  deriver.start()
  expect(await deriver.probed(source)).toMatchObject({ problem: null, media: { width: 900, height: 600 } })
})
