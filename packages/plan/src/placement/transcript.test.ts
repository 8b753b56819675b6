import { globSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { expect, test } from 'vitest'
import { PromiseWorld } from '../dumb/placement-world.ts'

/**
 * Plays stories from testdata/placement/*.txt about one blob. A block is a few commands, a line of dashes, and what came of them; the commands are
 * played again and the text compared. To accept new text after a change of the rules: THATDAM_ACCEPT=1 vitest run <this file>.
 *
 *   machines A B C / copies A B    who is believed to have the blob; who has it
 *   surplus A N                    A takes its copy for surplus; N others have to promise
 *   letters [N]                    the next N letters arrive, or all and what they lead to
 *   lost N                         the next N letters do not
 *   read A                         A has read and hashed its copy
 *   delete A                       A comes to the deleting that it was allowed
 *   crash A / sleep A MINUTES / clock A DAYS
 *   minutes N                      time goes by; every machine looks at its clock
 */
const TESTDATA = join(import.meta.dirname, '../../testdata/placement')
const MINUTE_MS = 60_000

class Story {
  private lines: string[] = []
  private names: string[] = []
  private world = new PromiseWorld([], new Set())

  play(commands: readonly string[]): string[] {
    this.lines = []
    for (const command of commands) this.command(command.split(' '))
    return this.lines
  }

  private command([verb = '', name = '', amount = '']: string[]): void {
    const { world } = this
    if (verb === 'surplus') world.seek(name, Number(amount))
    else if (verb === 'letters') this.letters(name === '' ? Infinity : Number(name))
    else if (verb === 'lost') for (let index = 0; index < Number(name); index++) world.lose(0)
    else if (verb === 'read') world.verify(name)
    else if (verb === 'delete') world.delete(name)
    else if (verb === 'crash') world.crash(name)
    else if (verb === 'sleep') world.sleep(name, Number(amount) * MINUTE_MS)
    else if (verb === 'clock') world.jump(name, Number(amount) * 24 * 60 * MINUTE_MS)
    else if (verb === 'minutes') this.minutes(Number(name))
    else throw new Error(`unknown command ${verb} ${name}`)
  }

  found(names: string[], holders: string[]): void {
    this.names = names
    this.world = new PromiseWorld(names, new Set(holders), {}, (line) => this.lines.push(line))
  }

  private letters(count: number): void {
    for (let index = 0; index < count && this.world.letters.length > 0; index++) {
      this.world.deliver(0, false)
      if (count === Infinity) for (const name of this.names) this.world.verify(name)
    }
  }

  private minutes(count: number): void {
    this.world.pass(count * MINUTE_MS)
    for (const name of this.names) this.world.tick(name)
  }
}

/** Text outside blocks is the story's prose; a block is indented by two blanks, its outcome follows `----`. */
function replay(text: string): string {
  const story = new Story()
  return text.replaceAll(/((?:^ {2}\S.*\n)+)^ {2}----\n((?:^ {2}.*\n)*)/gm, (_block, commands: string) => {
    const lines = commands
      .trimEnd()
      .split('\n')
      .map((line) => line.trim())
    const names = /^machines (.*)$/.exec(lines[0] ?? '')?.[1]
    const holders = /^copies (.*)$/.exec(lines[1] ?? '')?.[1]
    if (names !== undefined && holders !== undefined) story.found(names.split(' '), holders.split(' '))
    const told = story.play(names === undefined ? lines : lines.slice(2))
    return `${commands}  ----\n${told.map((line) => `  ${line}\n`).join('')}`
  })
}

const stories = globSync('*.txt', { cwd: TESTDATA }).toSorted()

test('there are stories', () => expect(stories.length).toBeGreaterThanOrEqual(3))

test.each(stories)('%s', (name) => {
  const path = join(TESTDATA, basename(name))
  const text = readFileSync(path, 'utf8')
  const played = replay(text)
  if (process.env['THATDAM_ACCEPT'] === '1') writeFileSync(path, played)
  expect(played).toBe(text)
})
