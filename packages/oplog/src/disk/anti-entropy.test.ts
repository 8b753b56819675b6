import { randomBytes } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { afterEach, expect, test } from 'vitest'
import type { SignedBatch } from '@thatdam/protocol/ops'
import { SYNC_START, type SyncAction, type SyncEvent, syncStep, WANT_MS_MAX, WANTS_MAX } from '../anti-entropy.ts'
import { OpLog } from './log.ts'
import { cleanUp, Machine } from './testing/machine.ts'
import { testOptions } from './testing/options.ts'

afterEach(cleanUp)

type Message =
  | { kind: 'event'; to: string; event: SyncEvent }
  | { kind: 'batches'; to: string; from: string; logId: string; batches: SignedBatch[] }

/** mulberry32: a seed replays a failure. */
function draws(seed: number): () => number {
  let a = seed
  return () => {
    a = (a + 0x6d2b79f5) | 0
    let t = Math.imul(a ^ (a >>> 15), 1 | a)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** Real logs, and a network that loses 30 %, repeats 20 % and reorders. Pages of 5 batches. */
class Network {
  readonly machines: Map<string, { machine: Machine; state: typeof SYNC_START }>
  readonly queue: Message[] = []
  readonly random: () => number
  now = 0
  constructor(machines: Map<string, Machine>, seed: number) {
    this.machines = new Map([...machines].map(([name, machine]) => [name, { machine, state: SYNC_START }]))
    this.random = draws(seed)
  }

  /** One tick everywhere, then all that follows from it. */
  round(): void {
    this.now += WANT_MS_MAX / 2
    const names = [...this.machines.keys()]
    for (const name of names) this.#step(name, { type: 'tick', peers: names.filter((peer) => peer !== name) })
    for (let steps = 0; this.queue.length > 0; steps += 1) {
      if (steps > 20_000) throw new Error('the machines never come to rest')
      const [message] = this.queue.splice(Math.floor(this.random() * this.queue.length), 1)
      if (message === undefined || this.random() < 0.3) continue
      if (this.random() < 0.2) this.queue.push(message)
      if (message.kind === 'event') this.#step(message.to, message.event)
      else this.#import(message)
    }
  }

  #import({ to, from, logId, batches }: Extract<Message, { kind: 'batches' }>): void {
    const { machine } = this.#at(to)
    for (const batch of batches) {
      const outcome = machine.log.importBatch(batch, { publicKey: batch.signer, admitter: true })
      const last = batch === batches.at(-1) || !['stored', 'known'].includes(outcome.kind)
      if (last) this.#step(to, { type: 'imported', from, logId, next: batch.header.sequence + 1, outcome: outcome.kind })
      if (last) return
    }
  }

  #step(name: string, event: SyncEvent): void {
    const at = this.#at(name)
    const result = syncStep(at.state, event, { own: at.machine.log.logs(), nowMs: this.now, random: this.random() })
    at.state = result.state
    expect(result.state.size).toBeLessThanOrEqual(WANTS_MAX)
    for (const action of result.actions) this.queue.push(this.#message(name, action))
  }

  #message(from: string, action: SyncAction): Message {
    const { log } = this.#at(from).machine
    const { to } = action
    if (action.type === 'send-heights')
      return { kind: 'event', to, event: { type: 'heights', from, logs: log.logs(), answer: action.answer } }
    const { logId, sequence } = action
    if (action.type === 'send-want') return { kind: 'event', to, event: { type: 'want', from, logId, sequence } }
    return { kind: 'batches', to, from, logId, batches: log.batches(logId, sequence, 5) }
  }

  #at(name: string): { machine: Machine; state: typeof SYNC_START } {
    return this.machines.get(name) as { machine: Machine; state: typeof SYNC_START }
  }

  settled(): boolean {
    const views = [...this.machines.values()].map(({ machine }) => JSON.stringify(machine.log.logs()))
    return new Set(views).size === 1
  }
}

function fill(machine: Machine, batches: number): void {
  for (let count = 0; count < batches; count += 1) machine.log.append([{ body: machine.stored(count) }])
}

test.each([1, 2, 3, 4, 5])('five machines come to hold the same ops over a bad network (seed %i)', (seed) => {
  const machines = new Map(['pi', 'win', 'mac', 'zero', 'nas'].map((name) => [name, new Machine(name)]))
  for (const [index, machine] of [...machines.values()].entries()) fill(machine, index * 6)
  const network = new Network(machines, seed)
  let rounds = 0
  for (; !network.settled(); rounds += 1) {
    if (rounds === 3) fill(machines.get('pi') as Machine, 4)
    expect(rounds, 'rounds until settled').toBeLessThan(100)
    network.round()
  }
  const feeds = [...machines.values()].map((machine) => machine.feed().toSorted())
  expect(feeds[0]?.length).toBeGreaterThanOrEqual(60)
  for (const feed of feeds) expect(feed).toEqual(feeds[0])
  expect([...machines.values()].flatMap((machine) => machine.log.forks())).toEqual([])
})

test.each([1, 2, 3])('a copied disk: both branches reach everybody and are reported (seed %i)', (seed) => {
  const pi = new Machine('pi')
  const nas = new Machine('nas')
  const win = new Machine('win')
  const copy = new Machine('win')
  copy.log.close()
  const epoch = Buffer.from(win.log.epoch('library'), 'hex')
  const other = `${copy.stateDir}/copy`
  fill(win, 8)
  copied = 0
  copy.log = copyOf(win, other, epoch)
  for (let count = 0; count < 3; count += 1) copy.log.append([{ body: win.stored(count) }])
  const asPi = { publicKey: win.signer.publicKey, admitter: true }
  for (const batch of win.all()) pi.log.importBatch(batch, asPi)
  for (const batch of copy.log.batches(copy.log.ownLogId('library'), 1)) nas.log.importBatch(batch, asPi)
  const network = new Network(
    new Map([
      ['pi', pi],
      ['nas', nas],
    ]),
    seed,
  )
  for (let rounds = 0; !network.settled() || pi.log.forks().length === 0; rounds += 1) {
    expect(rounds, 'rounds until settled').toBeLessThan(100)
    network.round()
  }
  expect(pi.log.forks().map((fork) => fork.sequence)).toEqual([1, 2, 3])
  expect(nas.log.forks()).toEqual(pi.log.forks())
  expect(pi.feed().toSorted()).toEqual(nas.feed().toSorted())
})

/** A log with the same node, key and epoch, as a copied disk has. */
function copyOf(original: Machine, stateDir: string, epoch: Buffer): OpLog {
  mkdirSync(stateDir)
  return OpLog.open(stateDir, {
    ...testOptions(original.nodeId, original.signer),
    clock: () => original.now,
    random: (count) => (copied++ === 0 ? epoch.subarray(0, count) : randomBytes(count)),
  })
}
let copied = 0
