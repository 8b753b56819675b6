import { globSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { ThatdamError } from '@thatdam/protocol/errors'
import type { RosterRecord } from '@thatdam/protocol/roster'
import { expect, test } from 'vitest'
import { makeGenesis } from './genesis.ts'
import { type KeyPair, keyFromSeed, sha256, verifySignature } from './keys.ts'
import { admit, nameOwnerKey, raise, rekey, remove, retire, useKey } from './roster-edit.ts'
import { mergeRecords } from './roster-sync.ts'
import { foldRoster, recordHash, type Roster } from './roster.ts'

/**
 * Plays stories from testdata/roster/*.txt. A block is a few commands, a line of dashes, and what came of them; the commands are played again and the
 * text compared. To accept new text after a change of the rules: THATDAM_ACCEPT=1 vitest run <this file>.
 *
 *   A founds a ring          with a roster of its own
 *   A admits B [afresh]      B is given what A knows; afresh: it was set up anew, and has another key
 *   A raises B | A removes B | A leaves
 *   A names the owner        the owner's recovery key, printed and put away
 *   owner removes B at A     the owner types the recovery key at A
 *   A takes a new key | A uses the new key
 *   T steals from A          T has a copy of A's key, and of what A knows
 *   cut A B | heal           A and B hear each other and nobody else; all hear all again
 *   show A                   the ring as A knows it
 *
 * Whatever one knows all on its side soon know: records go by the same door as between agents. After each command those are told of who know of
 * another ring than before.
 */
const TESTDATA = join(import.meta.dirname, '../testdata/roster')
const CREATED_AT_MS = 1_800_000_000_000

interface Machine {
  key: KeyPair
  records: readonly RosterRecord[]
  roster: Roster
}

const keyOf = (name: string): KeyPair => keyFromSeed(sha256(`roster story ${name}`))

class Story {
  private readonly machines = new Map<string, Machine>()
  private readonly keyNames = new Map<string, string>()
  private island: ReadonlySet<string> = new Set()
  private lines: string[] = []

  play(commands: readonly string[]): string[] {
    this.lines = []
    for (const command of commands) {
      const before = this.known()
      try {
        this.command(command.split(' '))
      } catch (error) {
        if (!(error instanceof ThatdamError)) throw error
        this.lines.push(`“${command}” is refused: ${error.message}`)
      }
      this.spread()
      this.tell(before)
    }
    return this.lines
  }

  private command(words: readonly string[]): void {
    const [first = '', second = '', third = ''] = words
    if (first === 'cut') this.island = new Set(words.slice(1))
    else if (first === 'heal') this.island = new Set()
    else if (first === 'show') this.show(second)
    else if (first === 'owner') this.act(words.at(-1) ?? '', (desk) => remove({ ...desk, signer: this.own('owner') }, third))
    else if (second === 'founds') this.found(first)
    else if (second === 'admits') this.admit(first, third, words[3] === 'afresh')
    else if (second === 'steals') this.machines.set(first, { ...this.of(words.at(-1) ?? '') })
    else if (second === 'raises') this.act(first, (desk) => raise(desk, third))
    else if (second === 'removes') this.act(first, (desk) => remove(desk, third))
    else if (second === 'leaves') this.act(first, retire)
    else if (second === 'names') this.act(first, (desk) => nameOwnerKey(desk, this.own('owner').publicKey))
    else if (second === 'takes') this.act(first, (desk) => rekey(desk, first, this.own(`${first}’s new key`).publicKey))
    else if (second === 'uses') this.use(first)
    else throw new Error(`unknown command ${words.join(' ')}`)
  }

  private of(name: string): Machine {
    const machine = this.machines.get(name)
    if (machine === undefined) throw new Error(`no machine ${name}`)
    return machine
  }

  private own(name: string): KeyPair {
    const key = keyOf(name)
    this.keyNames.set(key.publicKey, name)
    return key
  }

  private found(name: string): void {
    const key = this.own(name)
    const nonce = sha256(name).toString('base64url')
    const genesis = makeGenesis(key, {
      clusterId: '51510000-0000-4000-8000-000000000004',
      nodeId: name,
      bootCounter: 1,
      createdAtMs: CREATED_AT_MS,
      nonce,
    })
    this.machines.set(name, { key, records: [genesis], roster: foldRoster([genesis], recordHash(genesis.body), verifySignature) })
  }

  private admit(by: string, name: string, isFresh: boolean): void {
    const key = this.own(isFresh ? `${name}, set up afresh` : name)
    this.act(by, (desk) => admit(desk, { nodeId: name, publicKey: key.publicKey, bootCounter: 1 }))
    const { records, roster } = this.of(by)
    this.machines.set(name, { key, records, roster })
  }

  private use(name: string): void {
    this.of(name).key = this.own(`${name}’s new key`)
    this.act(name, useKey)
  }

  private act(name: string, sign: (desk: Machine & { signer: KeyPair }) => RosterRecord): void {
    const machine = this.of(name)
    this.take(name, [sign({ ...machine, signer: machine.key })])
  }

  private take(name: string, records: readonly RosterRecord[]): boolean {
    const machine = this.of(name)
    const merged = mergeRecords(machine.records, records, { roster: machine.roster, verify: verifySignature })
    machine.records = merged.records
    machine.roster = merged.roster
    return merged.added.length > 0
  }

  /** All that hear each other tell each other, until there is no news. */
  private spread(): void {
    for (let isNews = true; isNews;) {
      isNews = false
      for (const [from, { records }] of this.machines) {
        for (const to of this.machines.keys()) {
          if (from !== to && this.island.has(from) === this.island.has(to)) isNews = this.take(to, records) || isNews
        }
      }
    }
  }

  private known(): Map<string, string> {
    return new Map([...this.machines].map(([name, { roster }]) => [name, this.wordsOf(roster)]))
  }

  private tell(before: ReadonlyMap<string, string>): void {
    const changed = [...this.known()].filter(([name, words]) => before.get(name) !== words)
    for (const [words, group] of Map.groupBy(changed, ([, each]) => each)) {
      const names = group.map(([name]) => name)
      this.lines.push(`${names.join(', ')} ${names.length === 1 ? 'knows' : 'know'} of ${words}`)
    }
  }

  private wordsOf({ members }: Roster): string {
    const words = [...members.values()].map(({ nodeId, admitter, keys }) => {
      return `${nodeId}${admitter ? ' (lets in)' : ''}${keys.length > 1 ? ` with ${keys.length} keys` : ''}`
    })
    return words.join(', ') || 'nobody'
  }

  private show(name: string): void {
    const { records, roster } = this.of(name)
    this.lines.push(`${name} knows of ${this.wordsOf(roster)}`)
    for (const [nodeId, { by }] of roster.removed) this.lines.push(`  ${nodeId} was removed by ${this.keyNames.get(by)}`)
    for (const { hash, reason } of roster.ignored) {
      const record = records.find(({ body }) => recordHash(body) === hash)
      if (record === undefined) continue
      const subject = 'nodeId' in record.body ? ` of ${record.body.nodeId}` : ''
      this.lines.push(`  the ${record.body.kind}${subject} by ${this.keyNames.get(record.signer)} does not count: ${reason}`)
    }
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
