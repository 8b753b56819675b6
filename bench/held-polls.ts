import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { Agent, get } from 'node:http'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { Browser, signedUp } from '../apps/cloud/src/testing/browser.ts'
import { type CloudProcess, startCloud } from '../apps/cloud/src/testing/cloud-process.ts'
import { Machine } from '../apps/cloud/src/testing/machine.ts'
import { makeToken } from '../apps/cloud/src/testing/owner.ts'
import { median, round, type Bench } from './contract.ts'
import { end, temporaryDirectory } from './support.ts'

const LIMIT_KB = 12
const ROUNDS = 5
const TOKEN_MACHINES_MAX = 500
const JOINING_AT_ONCE = 20
/** A server that used less than a fifth of a core in such a slice has looked every poll up, and waits. At most 15 s: a poll is held 25 s. */
const CALM = { sliceMs: 400, share: 0.2, slicesMax: 37 }
const probe = pathToFileURL(path.join(import.meta.dirname, 'memory-probe.ts')).href

interface Memory {
  rssBytes: number
  heapBytes: number
}

/**
 * Memory of a held poll in the real cloud server, over its own idle, beside a bare node:http server that holds as many responses; and the
 * time from sending a settings change to the machine's receipt of it while all polls are held. Machines join as real ones do, each from a
 * loopback address of its own, within the server's limits. Every round has fresh processes: memory once taken
 * is seldom given back. The figure is what lives after a garbage collection; RSS beside it also holds what the burst of lookups left unused.
 */
export const heldPolls: Bench = {
  name: 'held-polls',
  about: `memory of a held poll in the cloud server beside a bare node:http one (limit ${LIMIT_KB} KB), and settings change to receipt (p99 < 500 ms)`,
  async run({ quick, say }) {
    const polls = quick ? 300 : 1_000
    const changes = quick ? 20 : 60
    const directory = temporaryDirectory()
    const environment = { DATA_ROOT: `${directory.path}/data` }
    const ours: Memory[] = []
    const peer: Memory[] = []
    const receiptsMs: number[] = []
    try {
      const fleet = await withCloud(environment, (cloud) => register(cloud, polls))
      say(`${polls} machines joined`)
      for (let sample = 0; sample < ROUNDS; sample += 1) {
        await withCloud({ ...environment, NODE_OPTIONS: `--import=${probe}` }, async (cloud) => {
          const { held, receipts } = await holdInCloud(cloud, fleet, changes)
          ours.push(held)
          receiptsMs.push(...receipts)
        })
        peer.push(await holdPlainly(fleet.machines))
        const [cloud, plain] = [ours.at(-1), peer.at(-1)]
        say(`cloud ${text(cloud)}, node:http ${text(plain)}`)
      }
    } finally {
      directory.remove()
    }
    const [oursKb, peerKb] = [kilobytes(ours, 'heapBytes'), kilobytes(peer, 'heapBytes')]
    return {
      name: 'held-polls',
      unit: 'KB live memory a poll',
      ours: oursKb,
      peer: { name: 'bare node:http that holds responses', value: round(peerKb) },
      limit: LIMIT_KB,
      ratio: oursKb / peerKb,
      samples: ROUNDS,
      more: {
        polls,
        rssKb: round(kilobytes(ours, 'rssBytes')),
        peerRssKb: round(kilobytes(peer, 'rssBytes')),
        changes: receiptsMs.length,
        receiptP50Ms: round(quantile(receiptsMs, 0.5), 1),
        receiptP99Ms: round(quantile(receiptsMs, 0.99), 1),
      },
    }
  },
}

const text = (memory: Memory | undefined): string =>
  `${round((memory?.rssBytes ?? 0) / 1024, 1)} KB RSS, ${round((memory?.heapBytes ?? 0) / 1024, 1)} KB heap a poll`
const kilobytes = (samples: readonly Memory[], field: keyof Memory): number => median(samples.map((sample) => sample[field])) / 1024

function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

async function withCloud<T>(environment: Record<string, string>, use: (cloud: CloudProcess) => Promise<T>): Promise<T> {
  const cloud = await startCloud(environment)
  try {
    return await use(cloud)
  } finally {
    await cloud.stop()
    cloud.remove()
  }
}

async function memoryOf(child: ChildProcess): Promise<Memory> {
  const answer = once(child, 'message')
  child.send('memory')
  return ((await answer) as [Memory])[0]
}

const perPoll = (idle: Memory, held: Memory, polls: number): Memory => ({
  rssBytes: (held.rssBytes - idle.rssBytes) / polls,
  heapBytes: (held.heapBytes - idle.heapBytes) / polls,
})

interface Fleet {
  cookie: string
  machines: VirtualAgent[]
}

/** An agent as the cloud sees it while nothing happens: it holds a poll, and another one after each answer. */
class VirtualAgent {
  readonly machine: Machine
  /** The row's id in the cloud's routes. */
  rowId = ''
  revision = 0
  #receipt: ((atMs: number) => void) | undefined
  constructor(machine: Machine) {
    this.machine = machine
  }

  nextReceipt(): Promise<number> {
    return new Promise((resolve) => (this.#receipt = resolve))
  }

  /** Polls until the signal. @returns when it has ended. */
  async hold(url: string, signal: AbortSignal, onConnect: () => void): Promise<void> {
    const { accessToken, from } = this.machine
    while (!signal.aborted) {
      const target = `${url}/agent/v1/poll?cursor=${this.revision}`
      const body = await longPoll(target, { authorization: `Bearer ${accessToken}`, from, signal, onConnect })
      if (body === null || body === '') continue
      const atMs = performance.now()
      this.revision = (JSON.parse(body) as { revision: number }).revision
      this.#receipt?.(atMs)
      this.#receipt = undefined
    }
  }
}

interface LongPollOptions {
  authorization: string
  from: string | undefined
  signal: AbortSignal
  onConnect: () => void
}

/** One GET over its own socket. @returns the body, whenever it comes; null when it was aborted. @throws Error for an answer that is neither 200 nor 204. */
function longPoll(url: string, { authorization, from, signal, onConnect }: LongPollOptions): Promise<string | null> {
  return new Promise((resolve, reject) => {
    const local = from === undefined ? {} : { localAddress: from }
    const request = get(url, { agent: new Agent(), headers: { authorization }, signal, ...local }, (response) => {
      let body = ''
      response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk))
      response.on('end', () => {
        if (response.statusCode === 200 || response.statusCode === 204) resolve(body)
        else reject(new Error(`${url}: ${response.statusCode} ${body}`))
      })
      response.on('error', () => resolve(null))
    })
    request.once('finish', onConnect)
    request.on('error', (error) => (signal.aborted ? resolve(null) : reject(error)))
  })
}

async function register(cloud: CloudProcess, count: number): Promise<Fleet> {
  const owner = await signedUp(cloud.url, 'bench@example.org')
  const agents: VirtualAgent[] = []
  for (let first = 0; first < count; first += TOKEN_MACHINES_MAX) {
    const machines = Math.min(TOKEN_MACHINES_MAX, count - first)
    const token = await makeToken(owner, { machines })
    const waiting = Array.from({ length: machines }, (_, index) => first + index)
    const worker = async (): Promise<void> => {
      for (let index = waiting.pop(); index !== undefined; index = waiting.pop()) {
        const machine = new Machine(cloud.url, `bench-${index}`, `127.1.${index >> 8}.${index & 255}`)
        const joined = await machine.join(token.text)
        const renewed = await machine.renew()
        if (joined.status !== 201 || renewed.status !== 200) throw new Error(`joining: ${joined.text} ${renewed.text}`)
        agents.push(new VirtualAgent(machine))
      }
    }
    await Promise.all(Array.from({ length: JOINING_AT_ONCE }, worker))
  }
  const { nodes } = (await owner.ask({ path: '/api/nodes' })).json<{ nodes: { id: string; nodeId: string }[] }>()
  const ids = new Map(nodes.map((node) => [node.nodeId, node.id]))
  for (const agent of agents) agent.rowId = ids.get(agent.machine.self.nodeId) ?? ''
  return { cookie: owner.cookie, machines: agents }
}

/** All at once, as all polls come after it: what such a burst makes the heap grow by is there before the first look. */
const burst = (machines: readonly VirtualAgent[], ask: (agent: VirtualAgent) => Promise<unknown>): Promise<unknown> =>
  Promise.all(machines.map(ask))

async function calm(child: ChildProcess): Promise<void> {
  const cpuMs = async (): Promise<number> => {
    const answer = once(child, 'message')
    child.send('cpu')
    return ((await answer) as [{ cpuMs: number }])[0].cpuMs
  }
  let before = await cpuMs()
  for (let slice = 0; slice < CALM.slicesMax; slice += 1) {
    await delay(CALM.sliceMs)
    const now = await cpuMs()
    if (now - before < CALM.sliceMs * CALM.share) return
    before = now
  }
}

async function holdInCloud(cloud: CloudProcess, fleet: Fleet, changes: number): Promise<{ held: Memory; receipts: number[] }> {
  const { machines } = fleet
  const one = (index: number): VirtualAgent => machines[index % machines.length] as VirtualAgent
  const over = new AbortController()
  const silently = { signal: over.signal, onConnect: () => undefined }
  // A cursor of 0 is answered at once: the database's connections are open and the code is warm before the first look.
  await burst(machines, ({ machine }) =>
    longPoll(`${cloud.url}/agent/v1/poll?cursor=0`, { ...silently, authorization: `Bearer ${machine.accessToken}`, from: machine.from }),
  )
  const owner = Object.assign(new Browser(cloud.url), { cookie: fleet.cookie })
  await changed(owner, one(0), 'Warm')
  await calm(cloud.child)
  const idle = await memoryOf(cloud.child)
  const { ended } = await holdAll(machines, cloud.url, over.signal)
  await calm(cloud.child)
  const memory = perPoll(idle, await memoryOf(cloud.child), machines.length)
  const receipts: number[] = []
  for (let change = 0; change < changes; change += 1) {
    const agent = one(change * 37)
    const receipt = agent.nextReceipt()
    const sentAtMs = performance.now()
    await changed(owner, agent, `Change ${sentAtMs}`)
    receipts.push((await receipt) - sentAtMs)
  }
  over.abort()
  await ended
  return { held: memory, receipts }
}

async function changed(owner: Browser, agent: VirtualAgent, name: string): Promise<void> {
  const answer = await owner.ask({ method: 'PATCH', path: `/api/nodes/${agent.rowId}`, body: { name } })
  if (answer.status !== 200) throw new Error(`changing settings: ${answer.status} ${answer.text}`)
}

/** Resolves when every machine has sent its poll. @returns `ended`: all loops are over. */
async function holdAll(machines: readonly VirtualAgent[], url: string, signal: AbortSignal): Promise<{ ended: Promise<unknown> }> {
  const sent = new Set<VirtualAgent>()
  const loops: Promise<void>[] = []
  await new Promise<void>((resolve, reject) => {
    for (const agent of machines) {
      const loop = agent.hold(url, signal, () => {
        sent.add(agent)
        if (sent.size === machines.length) resolve()
      })
      loop.catch(reject)
      loops.push(loop)
    }
  })
  return { ended: Promise.all(loops) }
}

async function holdPlainly(machines: readonly VirtualAgent[]): Promise<Memory> {
  const child = spawn(process.execPath, [`--import=${probe}`, path.join(import.meta.dirname, 'plain-holder.ts')], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  try {
    const [{ url }] = (await once(child, 'message')) as [{ url: string }]
    const over = new AbortController()
    const options = { authorization: 'none', from: undefined, signal: over.signal, onConnect: () => undefined }
    await burst(machines, () => longPoll(`${url}/now`, options))
    await calm(child)
    const idle = await memoryOf(child)
    const { ended } = await holdAll(machines, url, over.signal)
    await calm(child)
    const memory = perPoll(idle, await memoryOf(child), machines.length)
    over.abort()
    await ended
    return memory
  } finally {
    await end(child)
  }
}
