import type { Now } from '../election/contract.ts'
import {
  initialPromises,
  mayDelete,
  PROMISE_MS,
  stepPromises,
  type PromiseAction,
  type PromiseEvent,
  type PromiseMessage,
  type PromiseState,
} from '../placement/promise.ts'

export const BLOB = 'b'.repeat(64)

/** Faults planted on purpose: a property that holds with one of them proves nothing. */
export interface Faults {
  readonly promiseIgnored?: boolean
  readonly promiseLostInCrash?: boolean
  readonly seekerPromises?: boolean
  readonly copyNotVerified?: boolean
  readonly monotonicClockOnly?: boolean
  readonly wallClockOnly?: boolean
  readonly deletesLate?: boolean
  readonly seekIdsReused?: boolean
}

interface Machine {
  state: PromiseState
  hasCopy: boolean
  /** What survives a crash. */
  disk: Map<string, number>
  bootedAtMs: number
  sleptMs: number
  wallOffsetMs: number
  boots: number
  isVerifying: boolean
  /** It was allowed to delete, and has not come to it. */
  mustDelete: boolean
  needed: number
  /** To whom it promised last, and when, in true time. */
  promisedAtMs: Map<string, number>
}

/**
 * The machines that hold one blob, or are believed to, each with its own two clocks, and the letters between them. Every step is asked for by name, so
 * that a test may put them in any order. It knows what no machine does: how many copies there are, and the true time. For tests only.
 */
export class PromiseWorld {
  nowMs = 10_000_000
  /** What must never happen and did. */
  readonly violations: string[] = []
  letters: { readonly from: string; readonly to: string; readonly message: PromiseMessage }[] = []
  private readonly machines = new Map<string, Machine>()
  private readonly faults: Faults
  private readonly say: (line: string) => void

  constructor(names: readonly string[], holders: ReadonlySet<string>, faults: Faults = {}, say: (line: string) => void = () => {}) {
    this.faults = faults
    this.say = say
    for (const name of names) {
      const machine: Machine = {
        state: initialPromises(new Map(), 1),
        hasCopy: holders.has(name),
        disk: new Map(),
        bootedAtMs: this.nowMs,
        sleptMs: 0,
        wallOffsetMs: 0,
        boots: 0,
        isVerifying: false,
        mustDelete: false,
        needed: 0,
        promisedAtMs: new Map(),
      }
      this.machines.set(name, machine)
    }
  }

  copies(): number {
    return [...this.machines.values()].filter((machine) => machine.hasCopy).length
  }

  pass(ms: number): void {
    this.nowMs += ms
  }

  /** The lid is closed for so long: others go on, and so does this one's wall clock. */
  sleep(name: string, ms: number): void {
    this.of(name).sleptMs += ms
    this.nowMs += ms
    this.tick(name)
  }

  jump(name: string, ms: number): void {
    this.of(name).wallOffsetMs += ms
    this.tick(name)
  }

  crash(name: string): void {
    const machine = this.of(name)
    machine.bootedAtMs = this.nowMs
    machine.sleptMs = 0
    machine.boots++
    machine.isVerifying = false
    machine.mustDelete = false
    const given = this.faults.promiseLostInCrash === true ? new Map<string, number>() : machine.disk
    const firstSeekId = this.faults.seekIdsReused === true ? 1 : 1 + machine.boots * 1_000
    machine.state = initialPromises(given, firstSeekId, this.clocks(machine))
  }

  tick(name: string): void {
    this.feed(name, { kind: 'tick' })
  }

  seek(name: string, needed: number): void {
    const machine = this.of(name)
    if (!machine.hasCopy) return
    if (this.faults.promiseIgnored === true) machine.state = { ...machine.state, given: new Map(), asked: new Map() }
    machine.needed = needed
    const others = [...this.machines.keys()].filter((other) => other !== name)
    this.feed(name, { kind: 'seek', blob: BLOB, others, needed })
  }

  deliver(index: number, keep: boolean): void {
    const letter = this.letters[index]
    if (letter === undefined) return
    if (!keep) this.letters = this.letters.toSpliced(index, 1)
    const { from, to, message } = letter
    const machine = this.of(to)
    const { seeking } = machine.state
    const isBlind = this.faults.seekerPromises === true && message.kind === 'ask'
    if (isBlind) machine.state = { ...machine.state, seeking: new Map() }
    this.feed(to, { kind: 'message', from, message })
    if (isBlind) machine.state = { ...machine.state, seeking }
  }

  lose(index: number): void {
    this.letters = this.letters.toSpliced(index, 1)
  }

  /** It has read its copy to the end, if it was doing so. */
  verify(name: string): void {
    const machine = this.of(name)
    if (!machine.isVerifying) return
    machine.isVerifying = false
    this.feed(name, { kind: 'verified', blob: BLOB, isSound: machine.hasCopy || this.faults.copyNotVerified === true })
  }

  /** It comes to the deleting that it was allowed, if any. */
  delete(name: string): void {
    const machine = this.of(name)
    if (!machine.mustDelete) return
    machine.mustDelete = false
    const isAllowed = this.faults.deletesLate === true || mayDelete(machine.state, BLOB, this.clocks(machine))
    if (isAllowed) this.unlink(name, machine)
    this.say(isAllowed ? `${name} deletes its copy: ${this.copies()} left` : `${name} comes too late to delete, and keeps its copy`)
    this.feed(name, { kind: 'deleted', blob: BLOB })
  }

  private unlink(name: string, machine: Machine): void {
    machine.hasCopy = false
    if (this.copies() < machine.needed) this.violations.push(`${this.copies()} copies are left`)
    const isRunning = (promisedAtMs: number | undefined): boolean => promisedAtMs !== undefined && this.nowMs < promisedAtMs + PROMISE_MS
    if ([...machine.promisedAtMs.values()].some(isRunning)) this.violations.push(`${name} broke its promise`)
    const keepers = [...this.machines.values()].filter((other) => other.hasCopy && isRunning(other.promisedAtMs.get(name)))
    if (keepers.length < machine.needed) this.violations.push(`${name} deleted on the promise of ${keepers.length}`)
  }

  private of(name: string): Machine {
    const machine = this.machines.get(name)
    if (machine === undefined) throw new Error(`no machine ${name}`)
    return machine
  }

  private clocks(machine: Machine): Now {
    const monotonicMs = this.nowMs - machine.bootedAtMs - machine.sleptMs
    const wallMs = 1_800_000_000_000 + this.nowMs + machine.wallOffsetMs
    if (this.faults.monotonicClockOnly === true) return { monotonicMs, wallMs: monotonicMs }
    return this.faults.wallClockOnly === true ? { monotonicMs: wallMs, wallMs } : { monotonicMs, wallMs }
  }

  private feed(name: string, event: PromiseEvent): void {
    const machine = this.of(name)
    const { state, actions } = stepPromises(machine.state, event, this.clocks(machine), 0)
    machine.state = state
    for (const action of actions) this.carryOut(name, machine, action)
  }

  private carryOut(name: string, machine: Machine, action: PromiseAction): void {
    switch (action.kind) {
      case 'persist':
        machine.disk.set(action.blob, action.keepUntilMs)
        return
      case 'verify':
        machine.isVerifying = true
        this.say(`${name} reads its copy`)
        return
      case 'delete':
        machine.mustDelete = true
        this.say(`${name} may delete its copy for ${Math.round((action.untilMs - this.clocks(machine).monotonicMs) / 60_000)} minutes`)
        return
      case 'send':
        if (action.message.kind === 'promise') machine.promisedAtMs.set(action.to, this.nowMs)
        this.letters.push({ from: name, to: action.to, message: action.message })
        this.say(sentence(name, action.to, action.message))
    }
  }
}

function sentence(from: string, to: string, message: PromiseMessage): string {
  if (message.kind === 'ask') return `${from} asks ${to} to keep the blob`
  return message.kind === 'promise' ? `${from} promises ${to} ${message.forMs / PROMISE_MS} hour` : `${from} refuses ${to}`
}
