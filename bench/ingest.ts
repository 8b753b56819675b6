import { createHash, randomBytes } from 'node:crypto'
import { closeSync, mkdirSync, openSync, readSync, renameSync, utimesSync, writeFileSync, writeSync } from 'node:fs'
import path from 'node:path'
import { cameraPicture } from '@thatdam/testkit/camera-picture'
import { median, round, type Bench } from './contract.ts'
import {
  AGENT_ENVIRONMENT,
  AGENT_FLAGS,
  agentFile,
  end,
  excludeChildServices,
  localCaller,
  requireAgentBuild,
  start,
  temporaryDirectory,
  until,
  type LocalCaller,
} from './support.ts'

const LARGE_BYTES = 256 * 1024 * 1024
const LIMIT_MB_PER_SECOND = 300
const SMALL_LIMIT_PER_SECOND = 500
const WAIT_MS = 240_000

/**
 * The installed agent takes folders in, end to end: walk, hash, metadata, row, signed and fsynced op. Large files are compared with a plain
 * read and SHA-256 of the same bytes, before and after (both from the page cache); small pictures are counted a second.
 */
export const ingest: Bench = {
  name: 'ingest',
  about: 'indexer end to end, large files beside a plain read and SHA-256 of the same bytes; small pictures and an unchanged rescan too',
  async run({ quick, say }) {
    requireAgentBuild()
    const directory = temporaryDirectory()
    const state = `${directory.path}/state`
    const environment = { ...AGENT_ENVIRONMENT, STATE_DIR: state, SERVICE_PORT: '0', LOG_LEVEL: 'error' }
    const agent = start(process.execPath, [...AGENT_FLAGS, agentFile, 'run'], environment)
    const ours: number[] = []
    const plain: number[] = []
    let small = { perSecond: 0, rescanMs: 0, rescanOps: 0 }
    try {
      await excludeChildServices(state, agent, ['indexer'])
      const local = new Indexing(directory.path, localCaller(state, agent))
      await local.open()
      for (let sample = 0; sample < (quick ? 2 : 5); sample++) {
        const folder = `large-${sample}`
        const files = makeLarge(`${directory.path}/${folder}`, quick ? 2 : 4)
        const before = plainRate(files)
        const ms = await local.takeIn(folder, files.length)
        ours.push((files.length * LARGE_BYTES) / 1e3 / ms)
        plain.push((before + plainRate(files.map((file) => file.replace(folder, `media/${folder}`)))) / 2)
        say(`large: ${round(ours.at(-1) ?? 0, 0)} MB/s, plain ${round(plain.at(-1) ?? 0, 0)} MB/s`)
      }
      const count = quick ? 1500 : 6000
      await makeSmall(`${directory.path}/small`, count)
      const ms = await local.takeIn('small', count)
      small = { perSecond: (count * 1000) / ms, ...(await local.rescan()) }
      say(`small: ${count} pictures in ${round(ms / 1000, 1)} s; rescan ${round(small.rescanMs, 0)} ms, ${small.rescanOps} ops`)
    } finally {
      await end(agent)
      directory.remove()
    }
    const [rate, peer] = [median(ours), median(plain)]
    return {
      name: 'ingest',
      unit: 'MB/s',
      ours: rate,
      peer: { name: 'plain read and SHA-256', value: round(peer) },
      limit: LIMIT_MB_PER_SECOND,
      ratio: rate / peer,
      samples: ours.length,
      more: {
        'small pictures a second': round(small.perSecond),
        'small pictures a second, wanted': SMALL_LIMIT_PER_SECOND,
        'rescan of unchanged files, ms': round(small.rescanMs),
        'ops told by the rescan': small.rescanOps,
      },
    }
  },
}

/** 256 MiB sounds of noise: they are read and hashed whole, and probed once. Their dates say that nobody still writes to them. */
function makeLarge(folder: string, count: number): string[] {
  mkdirSync(folder)
  const chunk = randomBytes(8 * 1024 * 1024)
  return Array.from({ length: count }, (_, at) => {
    const file = path.join(folder, `sound ${at}.wav`)
    const descriptor = openSync(file, 'w')
    writeSync(descriptor, waveHeader(LARGE_BYTES - 44))
    writeSync(descriptor, randomBytes(chunk.length - 44))
    for (let written = chunk.length; written < LARGE_BYTES; written += chunk.length) writeSync(descriptor, chunk)
    closeSync(descriptor)
    makeOld(file)
    return file
  })
}

function waveHeader(dataBytes: number): Buffer {
  const header = Buffer.alloc(44)
  header.write('RIFF', 0, 'latin1')
  header.writeUInt32LE(dataBytes + 36, 4)
  header.write('WAVEfmt ', 8, 'latin1')
  header.writeUInt32LE(16, 16)
  header.writeUInt16LE(1, 20)
  header.writeUInt16LE(2, 22)
  header.writeUInt32LE(48_000, 24)
  header.writeUInt32LE(192_000, 28)
  header.writeUInt16LE(4, 32)
  header.writeUInt16LE(16, 34)
  header.write('data', 36, 'latin1')
  header.writeUInt32LE(dataBytes, 40)
  return header
}

/** Pictures as a camera writes them, about 60 KB each, 200 in a folder; a few bytes at the end make each its own. */
async function makeSmall(folder: string, count: number): Promise<void> {
  const picture = await cameraPicture()
  for (let at = 0; at < count; at++) {
    const inner = path.join(folder, `day ${Math.floor(at / 200)}`)
    if (at % 200 === 0) mkdirSync(inner, { recursive: true })
    const file = path.join(inner, `DSC_${at}.jpg`)
    writeFileSync(file, Buffer.concat([picture, randomBytes(16)]))
    makeOld(file)
  }
}

function makeOld(file: string): void {
  const minuteAgo = new Date(Date.now() - 60_000)
  utimesSync(file, minuteAgo, minuteAgo)
}

/** MB/s of one thread that only reads and hashes. */
function plainRate(files: readonly string[]): number {
  const buffer = Buffer.allocUnsafeSlow(4 * 1024 * 1024)
  const startedAt = performance.now()
  for (const file of files) {
    const hash = createHash('sha256')
    const descriptor = openSync(file, 'r')
    for (let read = readSync(descriptor, buffer); read > 0; read = readSync(descriptor, buffer)) hash.update(buffer.subarray(0, read))
    closeSync(descriptor)
    hash.digest('hex')
  }
  return (files.length * LARGE_BYTES) / 1e3 / (performance.now() - startedAt)
}

/** The agent's indexer over one folder, into which finished folders are moved. */
class Indexing {
  private readonly directory: string
  private readonly call: LocalCaller
  private position = 0

  constructor(directory: string, call: LocalCaller) {
    this.directory = directory
    this.call = call
  }

  async open(): Promise<void> {
    mkdirSync(path.join(this.directory, 'media'))
    const { node } = (await this.call('GET', '/local/state')) as { node: { nodeId: string } }
    const value = [path.join(this.directory, 'media')]
    const op = { kind: 'node.set', subject: node.nodeId, field: 'indexPaths', value, replaces: null }
    await this.call('POST', '/local/ops', { ops: [{ body: op }] })
    await this.idle(0)
    await this.seen()
  }

  /** ms from the folder's appearance to the last of its ops on the agent's disk. */
  async takeIn(folder: string, count: number): Promise<number> {
    const deadline = Date.now() + WAIT_MS
    const startedAt = performance.now()
    renameSync(path.join(this.directory, folder), path.join(this.directory, 'media', folder))
    await this.command('rescan')
    for (let left = count; left > 0; left -= await this.seen(1000)) if (Date.now() > deadline) throw new Error('the indexer takes too long')
    const ms = performance.now() - startedAt
    await this.idle(0)
    return ms
  }

  /** A walk over what is known: time until it is done, and ops that it told. */
  async rescan(): Promise<{ rescanMs: number; rescanOps: number }> {
    const { lastFinishedAtMs } = await this.idle(0)
    const startedAt = performance.now()
    await this.command('rescan')
    await this.idle(lastFinishedAtMs)
    return { rescanMs: performance.now() - startedAt, rescanOps: await this.seen() }
  }

  private async command(command: string): Promise<void> {
    await this.call('POST', '/local/services/indexer/command', { command, params: {} })
  }

  private async idle(afterMs: number): Promise<{ lastFinishedAtMs: number }> {
    return await until(async () => {
      const { index } = (await this.call('GET', '/local/state')) as { index: { state: string; lastFinishedAtMs: number | null } | null }
      const lastFinishedAtMs = index?.lastFinishedAtMs ?? 0
      return index?.state === 'idle' && lastFinishedAtMs > afterMs ? { lastFinishedAtMs } : null
    }, WAIT_MS)
  }

  /** How many places of files the op feed has told since the last call. */
  private async seen(waitMs = 0): Promise<number> {
    let count = 0
    for (let wait = waitMs; ; wait = 0) {
      const feed = (await this.call('GET', `/local/ops?after=${this.position}&limit=1000&waitMs=${wait}`)) as {
        entries: { op: { body: { kind: string } } }[]
        position: number
      }
      this.position = feed.position
      count += feed.entries.filter(({ op }) => op.body.kind === 'location.seen').length
      if (feed.entries.length < 1000) return count
    }
  }
}
