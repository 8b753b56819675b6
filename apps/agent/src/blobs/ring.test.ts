import { createHash, randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openBlobStore } from '@thatdam/store/blob-store'
import { until } from '@thatdam/testkit/hosts/command'
import type { RingMachine } from '@thatdam/testkit/ring/machine'
import { TestRing } from '@thatdam/testkit/ring/ring'

let directory = ''
let ring: TestRing | null = null

beforeEach(() => {
  directory = mkdtempSync(path.join(os.tmpdir(), 'thatdam-blobs-'))
})
afterEach(async () => {
  await ring?.down()
  ring = null
  rmSync(directory, { recursive: true, force: true })
})

const storeOf = (machine: RingMachine) => path.join(machine.stateDir, 'store')
const fileOf = (machine: RingMachine, sha256: string) =>
  path.join(storeOf(machine), 'blobs', sha256.slice(0, 2), sha256.slice(2, 4), sha256)
const holds = (machine: RingMachine, sha256: string) => {
  const file = fileOf(machine, sha256)
  return existsSync(file) && createHash('sha256').update(readFileSync(file)).digest('hex') === sha256
}

/** As a recording or an upload does: into the store, then told. */
async function keep(machine: RingMachine, bytes: Buffer): Promise<string> {
  const store = await openBlobStore(storeOf(machine), { reserveBytes: 0 })
  const { sha256, sizeBytes } = await store.put(bytes)
  await machine.local('POST', '/local/ops', { ops: [{ body: { kind: 'blob.stored', sha256, sizeBytes, nodeId: machine.name } }] })
  return sha256
}

test(
  'what one store node keeps comes to lie on two, also when the other one was away, and then it is quiet',
  { timeout: 180_000 },
  async () => {
    ring = await TestRing.up({ profiles: ['pi5-desktop', 'pi5-server', 'pizero-cam1'], directory })
    const [desktop, server, zero] = ['pi5-desktop', 'pi5-server', 'pizero-cam1'].map((name) => ring?.machine(name) as RingMachine)
    if (!desktop || !server || !zero) throw new Error('three')
    for (const machine of ring.machines) machine.start()
    await ring.settled()
    await until('both keep copies', () => [desktop, server].every((one) => (one.plan()?.body.storage.replicas ?? 0) === 2), 60_000)

    const first = await keep(desktop, randomBytes(5_000_000))
    await until('it lies on both', () => holds(server, first), 60_000)
    await until('it says so', async () => (await server.state())?.store.repair?.fetchedBlobs === 1, 30_000)

    await server.powerCut()
    const second = await keep(desktop, randomBytes(3_000_000))
    const third = await keep(desktop, randomBytes(1_000))
    server.start()
    await until('both of them came after', () => holds(server, second) && holds(server, third), 90_000)
    await until('nothing is missing', async () => (await server.state())?.store.repair?.missingBlobs === 0, 30_000)

    // The disk of one lost a file: it is noticed at the next start, and fetched again.
    await server.powerCut()
    rmSync(fileOf(server, first))
    server.start()
    await until('it is there again', () => holds(server, first), 90_000)
    const ops = (await desktop.local('GET', '/local/ops?after=0&limit=2000')) as {
      entries: { op: { body: { kind: string; nodeId?: string } } }[]
    }
    const told = ops.entries.filter(({ op }) => op.body.kind === 'blob.stored' && op.body.nodeId === 'pi5-server')
    expect(told.length).toBeLessThanOrEqual(4)
    expect([first, second, third].map((sha256) => holds(zero, sha256))).toEqual([false, false, false])
  },
)
