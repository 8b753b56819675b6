import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Now } from '@thatdam/plan/election/contract'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { until } from '../testing/until.ts'
import { Leadership, type LeadershipOptions } from './leadership.ts'

const CLUSTER = '4e0f9c1e-8f5b-4c3d-9c7a-2f1f6a5b7c10'
/** Four times as fast as the real one, so that a ring of one leads after a second. */
const HASTE = 4
const BEAT_MS = 50
const hasty = (): Now => ({ monotonicMs: performance.now() * HASTE, wallMs: Date.now() * HASTE })

let directory: string
let opened: Leadership[]
let beat: NodeJS.Timeout

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'thatdam-leadership-'))
  opened = []
  beat = setInterval(() => {
    for (const one of opened) one.tick()
  }, BEAT_MS)
})
afterEach(async () => {
  clearInterval(beat)
  for (const one of opened) await one.stop()
  await rm(directory, { recursive: true, force: true })
})

async function open(nodeId: string, changes: Partial<LeadershipOptions> = {}): Promise<Leadership> {
  const leadership = await Leadership.open({
    path: path.join(directory, `${nodeId}.json`),
    clusterId: CLUSTER,
    nodeId,
    send: () => {},
    changed: () => {},
    rested: () => {},
    log: () => {},
    clock: hasty,
    random: () => 0,
    ...changes,
  })
  opened.push(leadership)
  return leadership
}

/** One that may not lead, and knows who may. */
async function openZero(ranking: readonly string[]): Promise<Leadership> {
  let rests = 0
  const leadership = await open('zero', { rested: () => void rests++ })
  leadership.roster(ranking, new Set(['zero', ...ranking]))
  await until('it knows its ring', () => rests > 0)
  return leadership
}

const alone = (leadership: Leadership, nodeId: string): void => leadership.roster([nodeId], new Set([nodeId]))

test('alone in its ring a node leads, and its term is on disk before it may order', async () => {
  const leadership = await open('pi')
  alone(leadership, 'pi')
  expect(leadership.order()).toBeNull()
  await until('it leads', () => leadership.order())
  expect(JSON.parse(await readFile(path.join(directory, 'pi.json'), 'utf8'))).toEqual({ number: 1, nodeId: 'pi' })
})

test('a term is never used again after a restart', async () => {
  await writeFile(path.join(directory, 'pi.json'), JSON.stringify({ number: 41, nodeId: 'pi' }))
  const leadership = await open('pi')
  alone(leadership, 'pi')
  await until('it leads', () => leadership.order())
  expect(leadership.order()).toEqual({ number: 42, nodeId: 'pi' })
})

test('who may not lead follows, and takes orders of the latest term only', async () => {
  const leadership = await openZero(['pi'])
  expect(leadership.accept({ number: 5, nodeId: 'pi' })).toBe(true)
  const file = path.join(directory, 'zero.json')
  await until('the term is noted', () => !leadership.accept({ number: 4, nodeId: 'pi' }))
  expect(leadership.accept({ number: 6, nodeId: 'pi' })).toBe(true)
  await leadership.stop()
  expect(JSON.parse(await readFile(file, 'utf8'))).toEqual({ number: 6, nodeId: 'pi' })
})

test('an order of an earlier term is refused from the moment on that one of a later term was taken', async () => {
  const leadership = await openZero(['pi'])
  const orders = [5, 6, 5, 6, 4, 7, 6].map((number) => leadership.accept({ number, nodeId: 'pi' }))
  expect(orders).toEqual([true, true, false, true, false, true, false])
})

test('while a later term is on its way to the disk, orders of earlier ones are refused already', async () => {
  // A tick between would take turns of its own.
  clearInterval(beat)
  const leadership = await openZero(['pi', 'win'])
  leadership.receive('win', { kind: 'heartbeat', term: { number: 6, nodeId: 'win' }, uptimeMs: 1_000, returning: [] })
  // The write has begun, and takes longer than this.
  for (let turn = 0; turn < 3; turn++) await Promise.resolve()
  expect(leadership.accept({ number: 5, nodeId: 'pi' })).toBe(false)
  expect(leadership.accept({ number: 6, nodeId: 'win' })).toBe(true)
})

test('a term that cannot be written is never used, nor tried again and again at once', async () => {
  const said: string[] = []
  const waits: number[] = []
  const leadership = await open('pi', {
    path: path.join(directory, 'missing', 'pi.json'),
    log: (message) => void said.push(message),
    rested: () => void waits.push(leadership.dueMs - hasty().monotonicMs),
  })
  alone(leadership, 'pi')
  await until('it says so', () => said.some((message) => message.includes('could not be written')))
  expect(waits.at(-1)).toBeGreaterThan(100)
  expect(leadership.order()).toBeNull()
})

test('a node that stood still may not order, and leads under a new term later', async () => {
  let skippedMs = 0
  const clock = (): Now => ({ monotonicMs: hasty().monotonicMs + skippedMs, wallMs: hasty().wallMs + skippedMs })
  const leadership = await open('pi', { clock })
  alone(leadership, 'pi')
  await until('it leads', () => leadership.order())
  const before = leadership.order()
  skippedMs = 10_000
  expect(leadership.order()).toBeNull()
  await until('it leads', () => leadership.order())
  expect(leadership.order()?.number).toBeGreaterThan(before?.number ?? 0)
})

test('two nodes over a wire: one leads; it goes, and the other takes over with a higher term', async () => {
  const nodes = new Map<string, Leadership>()
  const wire =
    (from: string): LeadershipOptions['send'] =>
    (to, message) => {
      for (const [nodeId, node] of nodes) if (nodeId !== from && (to === null || to === nodeId)) node.receive(from, message)
    }
  for (const nodeId of ['pi', 'mac']) nodes.set(nodeId, await open(nodeId, { send: wire(nodeId) }))
  const [pi, mac] = [nodes.get('pi'), nodes.get('mac')]
  if (!pi || !mac) throw new Error('both were opened')
  for (const node of [pi, mac]) node.roster(['pi', 'mac'], new Set(['pi', 'mac']))
  await until('the first leads', () => pi.order())
  expect(mac.order()).toBeNull()
  await until('the other hears it', () => mac.leader()?.nodeId === 'pi')
  const term = pi.order()
  await pi.stop()
  mac.roster(['pi', 'mac'], new Set(['mac']))
  await until('the other takes over', () => mac.order())
  expect(mac.order()?.number).toBeGreaterThan(term?.number ?? 0)
})

test('a damaged term stops the start: an old term could come into use again', async () => {
  await writeFile(path.join(directory, 'pi.json'), '{"number":')
  await expect(open('pi')).rejects.toThrow('pi.json')
})
