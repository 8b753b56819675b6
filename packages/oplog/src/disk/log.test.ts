import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { ThatdamError } from '@thatdam/protocol/errors'
import { type OpBody, SignedBatch } from '@thatdam/protocol/ops'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { contentFault } from '../batch.ts'
import { OpLog } from './log.ts'
import { testOptions, testSigner, testVerify } from './testing/options.ts'

const NODE = 'pi5-desktop-1a2b3c'
let stateDir: string
const opened: OpLog[] = []
const open = (options = testOptions()): OpLog => {
  const log = OpLog.open(stateDir, options)
  opened.push(log)
  return log
}
const blob = (sizeBytes = 1): OpBody => ({ kind: 'blob.stored', sha256: randomBytes(32).toString('hex'), sizeBytes, nodeId: NODE })
const thrown = (run: () => unknown): ThatdamError => {
  try {
    run()
  } catch (error) {
    if (error instanceof ThatdamError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

const filled = (): ReturnType<typeof testOptions> => {
  const options = testOptions()
  const log = open(options)
  for (let round = 0; round < 20; round += 1) log.append(Array.from({ length: 50 }, () => ({ body: blob() })))
  log.close()
  return options
}
const file = (): string => join(stateDir, 'oplog.db')

function sql(text: string): void {
  const db = new DatabaseSync(file())
  db.exec(text)
  db.close()
}

beforeEach(() => {
  stateDir = mkdtempSync(join(tmpdir(), 'thatdam-oplog-'))
})
afterEach(() => {
  for (const log of opened.splice(0)) log.close()
  rmSync(stateDir, { recursive: true, force: true })
})

describe('append and read', () => {
  test('ops come back in order, with positions from 1, and after a restart', () => {
    const options = testOptions()
    const first = open(options)
    const bodies = [blob(1), blob(2), blob(3)]
    const added = first.append(bodies.map((body) => ({ body })))
    expect(added.map((entry) => entry.position)).toEqual([1, 2, 3])
    first.close()
    const again = open(options)
    expect(again.feedId).toBe(first.feedId)
    expect(again.position).toBe(3)
    expect(again.read(0, 10).map((entry) => entry.op.body)).toEqual(bodies)
    expect(again.read(1, 1)).toMatchObject([{ position: 2, nodeId: NODE, op: { id: added[1]?.id, hlc: added[1]?.hlc } }])
    expect(again.append([{ body: blob() }])[0]?.position).toBe(4)
    expect(again.verifyAll()).toEqual({ batches: 2, ops: 4 })
  })

  test('an op id is taken once: a repeated call gets the entry it has, a mixed one adds only what is new', () => {
    const log = open()
    const id = randomBytes(16).toString('hex')
    const body = blob()
    const [one] = log.append([{ id, body }])
    expect(log.append([{ id, body }])).toEqual([one])
    const mixed = log.append([{ body: blob() }, { id, body }, { body: blob() }])
    expect(mixed.map((entry) => entry.position)).toEqual([2, 1, 3])
    expect(log.position).toBe(3)
    expect(thrown(() => log.append([{ id, body: blob(9) }])).code).toBe('CONFLICT')
    const twin = { id: randomBytes(16).toString('hex'), body: blob() }
    expect(log.append([twin, twin]).map((entry) => entry.position)).toEqual([4, 4])
    expect(log.verifyAll()).toEqual({ batches: 3, ops: 4 })
  })

  test('stamps only grow, also when the clock is set back and over a restart', () => {
    let now = 1_800_000_000_000
    const options = { ...testOptions(), clock: () => now }
    const log = open(options)
    const stamps = [log.append([{ body: blob() }, { body: blob() }])]
    now -= 3_600_000
    stamps.push(log.append([{ body: blob() }]))
    log.close()
    stamps.push(open(options).append([{ body: blob() }]))
    const all = stamps.flat().map((entry) => entry.hlc)
    expect(all).toEqual(all.toSorted())
    expect(new Set(all).size).toBe(4)
  })

  test('batches are whole, signed and chained as the protocol says', () => {
    const options = testOptions()
    const log = open(options)
    for (let round = 0; round < 70; round += 1) log.append([{ body: blob(round) }, { body: blob(round) }])
    const page = log.batches(log.ownLogId('library'), 1)
    expect(page).toHaveLength(64)
    const rest = log.batches(log.ownLogId('library'), 65)
    expect(rest.map((batch) => batch.header.sequence)).toEqual([65, 66, 67, 68, 69, 70])
    for (const batch of [...page, ...rest]) {
      SignedBatch.parse(batch)
      expect(contentFault(batch, options.signer.publicKey, testVerify)).toBeNull()
    }
    expect(log.logs()).toEqual([
      { logId: log.ownLogId('library'), scope: 'library', sequence: 70, batches: 70, head: log.head('library')?.hash },
    ])
  })

  test('more than 1024 ops, or none, are refused', () => {
    const log = open()
    expect(thrown(() => log.append(Array.from({ length: 1025 }, () => ({ body: blob() })))).code).toBe('TOO_LARGE')
    expect(thrown(() => log.append([])).code).toBe('TOO_LARGE')
    expect(log.append(Array.from({ length: 1024 }, () => ({ body: blob() })))).toHaveLength(1024)
  })

  test('100,000 ops in batches of 500 take less than 10 s of the processor’s time', () => {
    const log = open()
    const before = process.cpuUsage()
    for (let round = 0; round < 200; round += 1) log.append(Array.from({ length: 500 }, () => ({ body: blob(round) })))
    const { user, system } = process.cpuUsage(before)
    expect((user + system) / 1_000).toBeLessThan(10_000)
    expect(log.position).toBe(100_000)
  })
})

describe('waiting', () => {
  test('a reader wakes at the next op, at an abort and when the log closes', async () => {
    const log = open()
    const never = new AbortController().signal
    const woken = log.waitFor(0, never)
    log.append([{ body: blob() }])
    expect(await woken).toBe(true)
    expect(await log.waitFor(0, never)).toBe(true)
    const controller = new AbortController()
    const aborted = log.waitFor(1, controller.signal)
    controller.abort()
    expect(await aborted).toBe(false)
    const closing = log.waitFor(1, never)
    log.close()
    expect(await closing).toBe(false)
    expect(thrown(() => log.read(0, 1)).code).toBe('UNAVAILABLE')
  })

  test('at most 256 wait', async () => {
    const log = open()
    const signal = new AbortController().signal
    const waits = Array.from({ length: 256 }, () => log.waitFor(0, signal))
    await expect(log.waitFor(0, signal)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    log.append([{ body: blob() }])
    expect(new Set(await Promise.all(waits))).toEqual(new Set([true]))
  })
})

describe('a log that is not as it was', () => {
  test.each<[string, () => void]>([
    ['empty', () => truncateSync(file(), 0)],
    ['not a database', () => writeFileSync(file(), 'x'.repeat(20_000))],
    ['cut short', () => truncateSync(file(), 40_960)],
    [
      'pages overwritten',
      () => {
        const bytes = readFileSync(file())
        bytes.fill(0xab, 8192, bytes.length - 4096)
        writeFileSync(file(), bytes)
      },
    ],
    ['without its tables', () => sql('DROP TABLE ops')],
    ['without its newest batch', () => sql('DELETE FROM batches WHERE sequence = 20')],
    ['without any batch', () => sql('DELETE FROM batches')],
    ['with an op altered', () => sql(`UPDATE ops SET text = replace(text, 'blob', 'blub') WHERE batch = 20 AND place = 3`)],
    ['with an op missing', () => sql('DELETE FROM ops WHERE batch = 20 AND place = 3')],
    ['with its chain cut', () => sql(`UPDATE batches SET header = replace(header, '"opCount":50', '"opCount":49') WHERE sequence = 19`)],
  ])('%s: named, and left as it is', (_name, damage) => {
    const options = filled()
    damage()
    const before = readFileSync(file())
    const error = thrown(() => open(options))
    expect(error.code).toBe('CONFLICT')
    expect(error.message).toContain(`${file()} is damaged`)
    expect(error.message).toContain('backup')
    expect(readFileSync(file()).equals(before)).toBe(true)
  })

  test('verifyAll finds an altered op in an old batch', () => {
    const options = filled()
    sql(`UPDATE ops SET text = replace(text, '"sizeBytes":1', '"sizeBytes":2') WHERE batch = 4 AND place = 1`)
    const log = open(options)
    expect(thrown(() => log.verifyAll()).message).toContain('batch 4 does not verify (bad-root)')
  })

  test('another node, another key, a newer version', () => {
    const options = filled()
    expect(thrown(() => open({ ...options, nodeId: 'other' })).message).toContain(`belongs to the node ${NODE}`)
    expect(thrown(() => open({ ...options, signer: testSigner() })).message).toContain('identity.json')
    sql(`UPDATE meta SET value = '3' WHERE key = 'version'`)
    expect(thrown(() => open(options)).message).toContain('newer version')
    sql(`UPDATE meta SET value = '1' WHERE key = 'version'`)
    expect(thrown(() => open(options)).message).toContain('Move it away')
  })

  test('after a replacement of the key its logs begin new epochs, and what the old key signed stays', () => {
    const before = filled()
    const old = open(before)
    const [epochs, head] = [(['library', 'ring'] as const).map((scope) => old.epoch(scope)), old.head('library')]
    old.close()
    const after = { ...before, signer: testSigner(), formerKeys: [testSigner().publicKey, before.signer.publicKey] }
    const log = open(after)
    expect([log.position, log.head('library'), log.epoch('ring') === epochs[1]]).toEqual([1000, null, false])
    expect(log.append([{ body: blob() }])).toHaveLength(1)
    expect(log.verifyAll()).toEqual({ batches: 1, ops: 1 })
    const kept = log.batches(`${NODE}/${epochs[0] ?? ''}`, 1)
    expect([kept.length, kept[0]?.signer]).toEqual([head?.sequence, before.signer.publicKey])
    const [fresh] = log.batches(log.ownLogId('library'), 1)
    expect([fresh?.header.previous, fresh?.signer]).toEqual(['0'.repeat(64), after.signer.publicKey])
    const epoch = log.epoch('library')
    log.close()
    // Neither another start nor the old key begins one more.
    expect(open(after).epoch('library')).toBe(epoch)
    opened.at(-1)?.close()
    expect(thrown(() => open(before)).message).toContain('identity.json')
  })

  test('a damaged log is not hidden behind a new key', () => {
    const before = filled()
    sql(`UPDATE ops SET text = replace(text, '"sizeBytes":1', '"sizeBytes":2') WHERE batch = 20 AND place = 1`)
    const after = { ...before, signer: testSigner(), formerKeys: [before.signer.publicKey] }
    expect(thrown(() => open(after)).message).toContain('is damaged')
    expect(thrown(() => open(before)).message).toContain('is damaged')
  })

  test('a second agent is told, and the first goes on', () => {
    const log = open()
    expect(thrown(() => open()).message).toContain('Another agent has')
    expect(log.append([{ body: blob() }])).toHaveLength(1)
  })

  test('a first start that was cut off begins again', () => {
    writeFileSync(join(stateDir, 'oplog.db.new'), 'half')
    expect(open().position).toBe(0)
  })

  test('a full disk: nothing is written, and it goes on when there is room', () => {
    const log = open()
    log.append([{ body: blob() }])
    log.limitPages(10)
    const error = thrown(() => log.append(Array.from({ length: 1000 }, () => ({ body: blob() }))))
    expect(error.code).toBe('DISK_FULL')
    expect(log.position).toBe(1)
    log.limitPages(1_000_000)
    expect(log.append([{ body: blob() }])[0]?.position).toBe(2)
    expect(log.verifyAll()).toEqual({ batches: 2, ops: 2 })
  })
})

test('kill -9 while appending: every acknowledged op is there, and the chain is whole', async () => {
  const child = fileURLToPath(new URL('./testing/crash-child.ts', import.meta.url))
  for (const wantedLines of [3, 40, 333]) {
    rmSync(stateDir, { recursive: true, force: true })
    stateDir = mkdtempSync(join(tmpdir(), 'thatdam-oplog-'))
    const lines = await linesUntilKilled(child, wantedLines)
    const publicKey = lines[0]?.split(' ')[1] as string
    const signer = { publicKey, sign: () => expect.fail('reopening signs nothing') }
    const log = open({ ...testOptions(), signer })
    const byPosition = new Map(log.read(0, 2000).map((entry) => [entry.position, entry.op.id]))
    expect(lines.length).toBeGreaterThan(wantedLines)
    for (const line of lines.slice(1)) {
      const [id, position] = line.split(' ')
      expect(byPosition.get(Number(position))).toBe(id)
    }
    expect(log.verifyAll().ops).toBe(log.position)
    log.close()
  }
})

/** Whole lines that the child wrote before it was killed at a line of our choice. */
async function linesUntilKilled(script: string, wantedLines: number): Promise<string[]> {
  const child = spawn(process.execPath, [script, stateDir], { stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  child.stdout.setEncoding('utf8')
  child.stdout.on('data', (chunk: string) => {
    text += chunk
    if (text.split('\n').length > wantedLines + 1) child.kill('SIGKILL')
  })
  await new Promise((resolve) => child.on('close', resolve))
  return text.split('\n').slice(0, -1)
}
