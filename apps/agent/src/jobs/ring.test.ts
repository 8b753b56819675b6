import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { get } from 'node:http'
import os from 'node:os'
import path from 'node:path'
import sharp from 'sharp'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { OpBody } from '@thatdam/protocol/ops'
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

async function previews(machine: RingMachine): Promise<{ made: Set<string>; makers: Set<string>; assets: string[] }> {
  const ops = await opsOf(machine)
  const made = ops.filter(({ body }) => body.kind === 'derivative.made')
  return {
    made: new Set(made.map(({ body }) => (body.kind === 'derivative.made' ? `${body.sourceSha256}/${body.recipe}` : ''))),
    makers: new Set(made.map(({ nodeId }) => nodeId)),
    assets: ops.flatMap(({ body }) => (body.kind === 'asset.ingested' ? [body.assetId] : [])),
  }
}

/** The machine with the pictures last, so that it finds a ring in which others have the duty. Whoever came first may lead for a moment. */
async function startInOrder(whole: TestRing): Promise<void> {
  const editor = whole.machine('win11-editor')
  for (const machine of whole.machines) if (machine !== editor) machine.start()
  const isLed = async () => (await whole.settled().catch(() => null))?.leader === 'pi5-desktop'
  await until('the desktop leads', isLed, 90_000)
  editor.start()
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
  // A second machine of the kind that the duty goes to.
  const facts = JSON.parse(readFileSync(second.factsFile, 'utf8')) as object
  writeFileSync(second.factsFile, JSON.stringify({ ...facts, alwaysOn: true, uiAvailable: false, battery: null }))
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
