import { globSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { expect, test } from 'vitest'
import type { Liveness, MembershipMessage } from './contract.ts'
import { initialMembership, stepMembership } from './machine.ts'
import { awake, drawsFrom, type MembershipState } from './state.ts'

/**
 * Plays stories from testdata/membership/*.txt. A block is a few commands, a line of dashes, and what came of them; the commands are played again and
 * the text compared. To accept new text after a change of the rules: THATDAM_ACCEPT=1 vitest run <this file>.
 *
 *   ring A B C            the members of the roster; all of them off
 *   start A | kill A      power on; power off
 *   sleep A | wake A      the lid is closed, and opened: the process and its monotonic clock stand still
 *   cut A B | heal        A and B reach each other and nobody else; all reach all again
 *   link A B up|down      that one link, both ways
 *   wifi A PERCENT        so many of the letters from and to A are lost
 *   ask A                 whom A sees
 *   run SECONDS           time goes by, in ticks of 100 ms; letters take 20 ms
 *   long SECONDS          the same, with suspicions counted only
 *
 * What is told: who is suspected, away or seen (again), and by whom; all that come to it within one second in one line.
 */
const TESTDATA = join(import.meta.dirname, '../../testdata/membership')
const TICK_MS = 100
const DELAY_MS = 20
const TOGETHER_MS = 1_000
const WALL_MS = 1_800_000_000_000

interface Machine {
  state: MembershipState | null
  isAsleep: boolean
  /** Its monotonic clock is this much behind the story's. */
  sleptMs: number
  lossShare: number
}
type Letter = { atMs: number; from: string; to: string; message: MembershipMessage }
type Telling = { atMs: number; what: string; who: string[] }

const WORDS: Readonly<Record<Liveness, string>> = { alive: 'is seen by', suspect: 'is suspected by', away: 'is away to' }

class Story {
  private nowMs = 0
  private readonly machines = new Map<string, Machine>()
  private island: ReadonlySet<string> = new Set()
  private readonly down = new Set<string>()
  private letters: Letter[] = []
  private tellings: Telling[] = []
  /** How many suspicions there were, when only their number is told. */
  private suspicions: number | null = null
  private readonly draw = drawsFrom(0.618)

  play(commands: readonly string[]): string[] {
    this.tellings = []
    for (const command of commands) this.command(command.split(' '))
    return this.tellings.map(
      ({ atMs, what, who }) => `${(atMs / 1000).toFixed(1).padStart(6)}  ${[what, who.toSorted().join(', ')].join(' ').trim()}`,
    )
  }

  private command([verb = '', ...names]: string[]): void {
    const [first = '', second = '', third = ''] = names
    if (verb === 'ring') for (const name of names) this.machines.set(name, { state: null, isAsleep: false, sleptMs: 0, lossShare: 0 })
    else if (verb === 'start') for (const name of names) this.start(name)
    else if (verb === 'kill') for (const name of names) this.of(name).state = null
    else if (verb === 'sleep') this.of(first).isAsleep = true
    else if (verb === 'wake') this.of(first).isAsleep = false
    else if (verb === 'cut') this.island = new Set(names)
    else if (verb === 'heal') this.island = new Set()
    else if (verb === 'link') this.turn([first, second], third)
    else if (verb === 'wifi') this.of(first).lossShare = Number(second) / 100
    else if (verb === 'ask') this.ask(first)
    else if (verb === 'run') this.run(Number(first) * 1000)
    else if (verb === 'long') this.long(Number(first) * 1000)
    else throw new Error(`unknown command ${verb} ${names.join(' ')}`)
  }

  private of(name: string): Machine {
    const machine = this.machines.get(name)
    if (machine === undefined) throw new Error(`no machine ${name}`)
    return machine
  }

  private start(name: string): void {
    const machine = this.of(name)
    machine.state = initialMembership(name, WALL_MS + this.nowMs, this.nowMs - machine.sleptMs)
    this.step(name, { kind: 'roster', members: [...this.machines.keys()] })
  }

  private turn(ends: readonly string[], way: string): void {
    const link = ends.toSorted().join(' ')
    if (way === 'down') this.down.add(link)
    else this.down.delete(link)
  }

  private ask(name: string): void {
    const { state } = this.of(name)
    const seen = [...(state === null ? [] : awake(state))].filter((nodeId) => nodeId !== name).toSorted()
    this.say(`${name} sees ${seen.join(', ') || 'nobody'}, and knows ${state?.members.size ?? 0} others`)
  }

  private long(forMs: number): void {
    this.suspicions = 0
    this.run(forMs)
    this.say(`${this.suspicions} times somebody was suspected`)
    this.suspicions = null
  }

  private say(what: string): void {
    this.tellings.push({ atMs: this.nowMs, what, who: [] })
  }

  private run(forMs: number): void {
    for (const endMs = this.nowMs + forMs; this.nowMs < endMs;) {
      this.nowMs += DELAY_MS
      for (const machine of this.machines.values()) if (machine.isAsleep) machine.sleptMs += DELAY_MS
      const due = this.letters.filter((letter) => letter.atMs <= this.nowMs)
      this.letters = this.letters.filter((letter) => letter.atMs > this.nowMs)
      for (const { from, to, message } of due) this.step(to, { kind: 'message', from, message })
      if (this.nowMs % TICK_MS === 0) for (const name of this.machines.keys()) this.step(name, { kind: 'tick' })
    }
  }

  private step(name: string, event: Parameters<typeof stepMembership>[1]): void {
    const machine = this.of(name)
    const before = machine.state
    if (before === null || machine.isAsleep) return
    const { state, actions } = stepMembership(before, event, this.nowMs - machine.sleptMs, this.draw())
    machine.state = state
    for (const [nodeId, { liveness }] of state.members) {
      this.compare(name, nodeId, [before.members.get(nodeId)?.liveness ?? 'away', liveness])
    }
    for (const action of actions) if (action.kind === 'send') this.send(name, action.to, action.message)
  }

  private send(from: string, to: string, message: MembershipMessage): void {
    const isCut = this.island.has(from) !== this.island.has(to) || this.down.has([from, to].toSorted().join(' '))
    const lossShare = Math.max(this.of(from).lossShare, this.of(to).lossShare)
    if (isCut || (lossShare > 0 && this.draw() < lossShare)) return
    this.letters.push({ atMs: this.nowMs + DELAY_MS, from, to, message })
  }

  private compare(who: string, nodeId: string, [before, after]: readonly [Liveness, Liveness]): void {
    if (before === after) return
    if (this.suspicions === null || after === 'away' || before === 'away') this.tell(who, `${nodeId} ${WORDS[after]}`)
    else if (after === 'suspect') this.suspicions++
  }

  private tell(who: string, what: string): void {
    const same = this.tellings.find((telling) => telling.what === what && telling.atMs > this.nowMs - TOGETHER_MS)
    if (same === undefined) this.tellings.push({ atMs: this.nowMs, what, who: [who] })
    else if (!same.who.includes(who)) same.who.push(who)
  }
}

/** Text outside blocks is the story's prose; a block is indented by two blanks, its outcome follows `----`. */
function replay(text: string): string {
  const story = new Story()
  return text.replaceAll(/((?:^ {2}\S.*\n)+)^ {2}----\n((?:^ {2}.*\n)*)/gm, (_block, commands: string) => {
    const lines = commands.trimEnd().split('\n')
    const told = story.play(lines.map((line) => line.trim()))
    return `${commands}  ----\n${told.map((line) => `  ${line}\n`).join('')}`
  })
}

const stories = globSync('*.txt', { cwd: TESTDATA }).toSorted()

test('there are stories', () => expect(stories.length).toBeGreaterThanOrEqual(4))

test.each(stories)('%s', (name) => {
  const path = join(TESTDATA, basename(name))
  const text = readFileSync(path, 'utf8')
  const played = replay(text)
  if (process.env['THATDAM_ACCEPT'] === '1') writeFileSync(path, played)
  expect(played).toBe(text)
})
