import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { get } from 'node:http'
import os from 'node:os'
import path from 'node:path'
import sharp from 'sharp'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { isUnread, type OpBody, type OpKind, type OpOf } from '@thatdam/protocol/ops'
import { until } from '@thatdam/testkit/hosts/command'
import type { RingMachine } from '@thatdam/testkit/ring/machine'
import { TestRing } from '@thatdam/testkit/ring/ring'

let directory = ''
let ring: TestRing | null = null

beforeEach(() => {
  directory = mkdtempSync(path.join(os.tmpdir(), 'thatdam-jobs-'))
})
afterEach(async () => {
  await ring?.down()
  ring = null
  rmSync(directory, { recursive: true, force: true })
})

/** Pictures no two of which are alike, and large enough to take a moment. */
async function paint(folder: string, count: number, long: number): Promise<void> {
  mkdirSync(folder, { recursive: true })
  for (let n = 0; n < count; n++) {
    const background = { r: n * 5, g: 255 - n * 5, b: (n * 37) % 256 }
    const noise = { type: 'gaussian', mean: 120, sigma: 30 + n } as const
    const small = sharp({ create: { width: 300, height: 200, channels: 3, background, noise } })
    const picture = sharp(await small.png().toBuffer()).resize(long)
    await picture.jpeg({ quality: 90 }).toFile(path.join(folder, `picture-${n}.jpg`))
  }
}

async function opsOf(machine: RingMachine): Promise<{ nodeId: string; body: OpBody }[]> {
  const found: { nodeId: string; body: OpBody }[] = []
  for (let after = 0; ;) {
    const feed = (await machine.local('GET', `/local/ops?after=${after}&limit=2000`)) as {
      entries: { nodeId: string; op: { body: OpBody } }[]
      position: number
    }
    found.push(...feed.entries.map(({ nodeId, op }) => ({ nodeId, body: op.body })))
    if (feed.entries.length < 2000) return found
    after = feed.position
  }
}

async function told<K extends OpKind>(machine: RingMachine, kind: K): Promise<{ nodeId: string; body: OpOf<K> }[]> {
  return (await opsOf(machine)).filter((op): op is { nodeId: string; body: OpOf<K> } => op.body.kind === kind)
}

/** An ffmpeg, with its ffprobe, that cannot be started. One on the PATH would be found where this is not named. */
function brokenFfmpeg(folder: string): string {
  mkdirSync(folder)
  for (const name of ['ffmpeg', 'ffprobe']) writeFileSync(path.join(folder, name), '#!/nowhere/at/all\n', { mode: 0o755 })
  return path.join(folder, 'ffmpeg')
}

async function previews(machine: RingMachine): Promise<{ made: Set<string>; makers: Set<string>; assets: string[] }> {
  const ops = await opsOf(machine)
  const made = ops.filter(({ body }) => body.kind === 'derivative.made')
  return {
    made: new Set(made.map(({ body }) => (body.kind === 'derivative.made' ? `${body.sourceSha256}/${body.recipe}` : ''))),
    makers: new Set(made.map(({ nodeId }) => nodeId)),
    assets: ops.flatMap(({ body }) => (body.kind === 'asset.ingested' ? [body.assetId] : [])),
  }
}

/** A second machine of the kind that the duty of making previews goes to. */
function makeServer(machine: RingMachine): void {
  const facts = JSON.parse(readFileSync(machine.factsFile, 'utf8')) as object
  writeFileSync(machine.factsFile, JSON.stringify({ ...facts, alwaysOn: true, uiAvailable: false, battery: null }))
}

/** The machine with the pictures last, so that it finds a ring in which others have the duty. Whoever came first may lead for a moment. */
async function startInOrder(whole: TestRing, last = 'win11-editor'): Promise<void> {
  const holder = whole.machine(last)
  for (const machine of whole.machines) if (machine !== holder) machine.start()
  const isLed = async () => (await whole.settled().catch(() => null))?.leader === 'pi5-desktop'
  await until('the desktop leads', isLed, 90_000)
  holder.start()
  await whole.settled()
}

/** Through its door for browsers, from outside its network. */
function fetchBytes(machine: RingMachine, wanted: string): Promise<{ status: number; type: string | undefined; bytes: Buffer }> {
  return new Promise((resolve, reject) => {
    const asked = get({ socketPath: machine.doorFile, path: wanted, headers: { host: 'localhost' } }, (response) => {
      const pieces: Buffer[] = []
      response.on('data', (piece: Buffer) => pieces.push(piece))
      response.on('error', reject)
      const { statusCode: status = 0, headers } = response
      response.on('end', () => resolve({ status, type: headers['content-type'], bytes: Buffer.concat(pieces) }))
    })
    asked.on('error', reject)
  })
}

async function shown(machine: RingMachine, thumb: string): Promise<boolean> {
  const { status, type, bytes } = await fetchBytes(machine, `/media/thumbs/${thumb}`)
  if (status !== 200) return false
  return type === 'image/webp' && String((await sharp(bytes).metadata()).width) === thumb.split('-').at(-1)
}

test(
  'pictures that lie on the editor get their previews on the server, and the leader’s door shows them and the originals',
  { timeout: 180_000 },
  async () => {
    const folder = path.join(directory, 'pictures')
    await paint(folder, 12, 1_600)
    ring = await TestRing.up({
      profiles: ['win11-editor', 'pi5-desktop', 'pi5-server'],
      directory,
      environmentOf: { 'win11-editor': { INDEX_PATHS: folder } },
    })
    await startInOrder(ring)
    const leader = ring.machine('pi5-desktop')
    await until('all previews are made', async () => (await previews(leader)).made.size === 24, 90_000)
    const { made, makers, assets } = await previews(leader)
    expect([makers.has('pi5-server'), assets.length]).toEqual([true, 12])
    for (const thumb of made) await until(`${thumb} is shown`, () => shown(leader, thumb), 20_000)
    const original = await fetchBytes(leader, `/media/originals/${assets[0]}`)
    expect([original.status, createHash('sha256').update(original.bytes).digest('hex')]).toEqual([200, assets[0]])

    // Two machines keep them: with the one that made them off, they are still shown.
    await until('the leader has copies', async () => (await leader.state())?.store.repair?.fetchedBlobs === 24, 60_000)
    await ring.machine('pi5-server').powerCut()
    for (const thumb of made) expect(await shown(leader, thumb)).toBe(true)
  },
)

test(
  'films on a machine whose ffmpeg does not run get their length and pictures on another, and all that carry the library hear of it',
  { timeout: 180_000 },
  async () => {
    const folder = path.join(directory, 'films')
    mkdirSync(folder)
    const film = path.join(folder, 'film.mkv')
    execFileSync('ffmpeg', ['-v', 'error', '-f', 'lavfi', '-i', 'testsrc=s=640x360:r=10:d=3', '-pix_fmt', 'yuv420p', film])
    writeFileSync(path.join(folder, 'no-film.mp4'), 'This is no film at all.')
    ring = await TestRing.up({
      profiles: ['pi5-server', 'pi5-desktop', 'macbook'],
      directory,
      environmentOf: {
        'pi5-server': { INDEX_PATHS: folder, FFMPEG_PATH: brokenFfmpeg(path.join(directory, 'programs')) },
      },
    })
    makeServer(ring.machine('macbook'))
    // It has the duty of making previews too, is asked first, and has to say that it cannot.
    await startInOrder(ring, 'pi5-server')
    const [holder, leader] = [ring.machine('pi5-server'), ring.machine('pi5-desktop')]
    await until('both are taken in', async () => (await told(holder, 'asset.ingested')).length === 2, 60_000)
    expect((await told(holder, 'asset.ingested')).map(({ body }) => isUnread(body))).toEqual([true, true])
    const filmId = createHash('sha256').update(readFileSync(film)).digest('hex')
    for (const carrier of [leader, holder]) {
      await until('both are read', async () => (await told(carrier, 'asset.probed')).length === 2, 90_000)
      await until('what can be made is', async () => (await previews(carrier)).made.size === 2, 60_000)
    }
    const read = Object.fromEntries((await told(leader, 'asset.probed')).map(({ nodeId, body }) => [body.assetId, { nodeId, ...body }]))
    expect(read[filmId]).toMatchObject({
      nodeId: 'macbook',
      problem: null,
      media: { durationMs: 3_000, videoCodec: 'h264', width: 640 },
    })
    const [other] = Object.values(read).filter(({ assetId }) => assetId !== filmId)
    expect(other).toMatchObject({ problem: expect.stringMatching(/is broken/), media: { durationMs: null } })
    await until('its picture is shown', () => shown(leader, `${filmId}/thumb-320`), 20_000)

    // What is broken is given up: nobody is asked again.
    await until('the broken one is given up', async () => (await told(leader, 'derivative.failed')).length === 2, 30_000)
    expect((await told(leader, 'asset.probed')).length).toBe(2)
  },
)

test('the machine that makes previews loses power in the middle: another one makes the rest', { timeout: 240_000 }, async () => {
  const folder = path.join(directory, 'pictures')
  await paint(folder, 40, 3_200)
  ring = await TestRing.up({
    // The first one founds the ring: what it says of its own folders counts.
    profiles: ['win11-editor', 'pi5-desktop', 'pi5-server', 'macbook'],
    directory,
    environmentOf: { 'win11-editor': { INDEX_PATHS: folder } },
  })
  const [leader, server, second] = (['pi5-desktop', 'pi5-server', 'macbook'] as const).map((name) => ring?.machine(name) as RingMachine)
  if (!leader || !server || !second) throw new Error('three')
  makeServer(second)
  await startInOrder(ring)
  await until(
    'some are made, by the one that will lose power too',
    async () => {
      const { made, makers } = await previews(leader)
      return makers.has('pi5-server') && made.size >= 4
    },
    90_000,
  )
  await server.powerCut()
  expect((await previews(leader)).made.size).toBeLessThan(80)
  await until('all previews are made', async () => (await previews(leader)).made.size === 80, 150_000)
  const { makers } = await previews(leader)
  expect([makers.has('pi5-server'), makers.has('macbook')]).toEqual([true, true])
})
