import { globSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { CLUSTER_ID } from '@thatdam/testkit/profiles/machine'
import type { Term } from '@thatdam/protocol/plan'
import { expect, test } from 'vitest'
import type { ElectionMessage, Now, Step } from './contract.ts'
import { rankedElection as election } from './machine.ts'
import type { ElectionState } from './state.ts'

/**
 * Plays stories from testdata/election/*.txt. A block is a few commands, a line of dashes, and what came of them; the block's commands are
 * played again and the text compared. To accept new text after a change of the rules: THATDAM_ACCEPT=1 vitest run <this file>.
 *
 *   ring A B C            the machines that may lead, best first; all of them off
 *   start A | kill A      power on, with the term that its disk holds; power off
 *   notice A B            the others' liveness: from now on exactly these answer (each node is told the same)
 *   cut A | heal          A reaches nobody and nobody reaches A; all reach all again
 *   freeze A | thaw A     the process stands still (SIGSTOP); clocks go on
 *   stop A                orderly end
 *   order A N B           B is shown an order of term (N, A)
 *   run SECONDS           time goes by, in ticks of 100 ms; messages take 20 ms
 */
const TESTDATA = join(import.meta.dirname, '../../testdata/election')
const TICK_MS = 100
const DELAY_MS = 20

interface Machine {
  state: ElectionState | null
  disk: Term | null
  isFrozen: boolean
  isCut: boolean
}
type Letter = { atMs: number; from: string; to: string; message: ElectionMessage }

class Story {
  private nowMs = 0
  private names: string[] = []
  private readonly machines = new Map<string, Machine>()
  private alive = new Set<string>()
  private letters: Letter[] = []
  private lines: string[] = []

  play(commands: readonly string[]): string[] {
    this.lines = []
    for (const command of commands) this.command(command.split(' '))
    return this.lines
  }

  private command([verb = '', ...names]: string[]): void {
    const machine = this.machines.get(names[0] ?? '')
    if (verb === 'ring') this.found(names)
    else if (verb === 'start') for (const name of names) this.start(name)
    else if (verb === 'kill') for (const name of names) this.of(name).state = null
    else if (verb === 'notice') this.notice(names)
    else if (verb === 'cut') for (const name of names) this.of(name).isCut = true
    else if (verb === 'heal') for (const each of this.machines.values()) each.isCut = false
    else if (verb === 'freeze' && machine) machine.isFrozen = true
    else if (verb === 'thaw' && machine) machine.isFrozen = false
    else if (verb === 'stop') this.step(names[0] ?? '', { kind: 'stop' })
    else if (verb === 'order') this.order(names)
    else if (verb === 'run') this.run(Number(names[0]) * 1000)
    else throw new Error(`unknown command ${verb} ${names.join(' ')}`)
  }

  private of(name: string): Machine {
    const machine = this.machines.get(name)
    if (machine === undefined) throw new Error(`no machine ${name}`)
    return machine
  }

  private found(names: string[]): void {
    this.names = names
    this.alive = new Set()
    for (const name of names) this.machines.set(name, { state: null, disk: null, isFrozen: false, isCut: false })
  }

  private start(name: string): void {
    const machine = this.of(name)
    machine.state = election.initial({ clusterId: CLUSTER_ID, nodeId: name, highest: machine.disk }, this.now())
    this.step(name, { kind: 'roster', ranking: this.names, alive: this.alive })
  }

  private notice(names: string[]): void {
    this.alive = new Set(names)
    for (const name of this.names) this.step(name, { kind: 'roster', ranking: this.names, alive: this.alive })
  }

  private order([leader = '', number = '', name = '']: string[]): void {
    const { state } = this.of(name)
    const term = { number: Number(number), nodeId: leader }
    this.say(`${name} ${state !== null && election.accepts(state, term) ? 'carries out' : 'refuses'} an order of ${leader}, term ${number}`)
    if (state !== null && election.accepts(state, term)) this.step(name, { kind: 'order', term })
  }

  private run(forMs: number): void {
    for (const endMs = this.nowMs + forMs; this.nowMs < endMs;) {
      this.nowMs += DELAY_MS
      const due = this.letters.filter((letter) => letter.atMs <= this.nowMs)
      this.letters = this.letters.filter((letter) => letter.atMs > this.nowMs)
      for (const { from, to, message } of due) this.step(to, { kind: 'message', from, message })
      if (this.nowMs % TICK_MS === 0) for (const name of this.names) this.step(name, { kind: 'tick' })
    }
  }

  private now = (): Now => ({ monotonicMs: this.nowMs, wallMs: 1_800_000_000_000 + this.nowMs })

  private step(name: string, event: Parameters<typeof election.step>[1]): void {
    const machine = this.of(name)
    if (machine.state === null || machine.isFrozen) return
    const step: Step<ElectionState> = election.step(machine.state, event, this.now(), 0.5)
    machine.state = step.state
    for (const action of step.actions) {
      if (action.kind === 'persist') machine.disk = action.term
      else if (action.kind === 'lead') this.say(`${name} leads, term ${action.term.number}`)
      else if (action.kind === 'follow') this.say(`${name} no longer leads`)
      else for (const to of action.kind === 'send' ? [action.to] : this.names) this.send(name, to, action.message)
    }
  }

  private send(from: string, to: string, message: ElectionMessage): void {
    if (from === to || this.of(from).isCut || this.of(to).isCut) return
    if (message.kind === 'handover') this.say(`${from} asks ${to} to lead${message.resigning ? ', and stops' : ''}`)
    this.letters.push({ atMs: this.nowMs + DELAY_MS, from, to, message })
  }

  private say(what: string): void {
    this.lines.push(`${(this.nowMs / 1000).toFixed(2).padStart(7)}  ${what}`)
  }
}

/** Text outside blocks is the story's prose; a block is indented by two blanks, its outcome follows `----`. */
function replay(text: string): string {
  const story = new Story()
  return text.replaceAll(/((?:^ {2}\S.*\n)+)^ {2}----\n((?:^ {2}.*\n)*)/gm, (_block, commands: string) => {
    const told = story.play(
      commands
        .trimEnd()
        .split('\n')
        .map((line) => line.trim()),
    )
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
