import { globSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { expect, test } from 'vitest'
import { Board } from './board.ts'
import { poolOf, PRIORITIES } from './contract.ts'
import { creditsAt } from './credits.ts'

/**
 * Plays stories from testdata/sharing/*.txt. A block is a few commands, a line of dashes, and what came of them; the commands are played again and
 * the text compared. To accept new text after a change of the rules: THATDAM_ACCEPT=1 vitest run <this file>. The story begins at 12:00 UTC.
 *
 *   node A cores=4 derives=2 transcodes=1 intel=0 reserve=30 quiet=22:00-07:00 offset=120
 *   away A                              it answers no more
 *   job J KIND for=A [distributed|external] [cost=N] [size=GB] [near=A,B] [only=A] [times=N]
 *   done J / cancel J
 *   share                               who does what now
 *   until J                             jobs are done one by one, in the order of their beginning, until J begins
 *   run MINUTES                         time goes by; each second what can be is shared out
 *   credits A B
 */
const TESTDATA = join(import.meta.dirname, '../../testdata/sharing')
const NOON_MS = Date.UTC(2027, 0, 15, 12)

class Story {
  private nowMs = NOON_MS
  private readonly board = new Board()
  private lines: string[] = []
  private running: string[] = []

  play(commands: readonly string[]): string[] {
    this.lines = []
    for (const command of commands) this.command(command.split(' '))
    return this.lines
  }

  private command([verb = '', name = '', ...rest]: string[]): void {
    if (verb === 'node') this.node(name, optionsOf(rest))
    else if (verb === 'away') this.board.removeNode(name)
    else if (verb === 'job') this.job(name, rest[0] ?? '', rest.slice(1))
    else if (verb === 'done') this.done(name)
    else if (verb === 'cancel') this.board.cancel(name, this.nowMs)
    else if (verb === 'share') this.share()
    else if (verb === 'until') this.until(name)
    else if (verb === 'run') this.run(Number(name) * 60)
    else if (verb === 'credits') for (const each of [name, ...rest]) this.credits(each)
    else throw new Error(`unknown command ${verb} ${name}`)
  }

  private node(nodeId: string, options: ReadonlyMap<string, string>): void {
    const number = (name: string): number => Number(options.get(name) ?? 0)
    const [from, to] = (options.get('quiet') ?? '').split('-')
    const quietHours = from === undefined || to === undefined ? null : { from, to }
    const quotas = {
      maxDerives: number('derives'),
      maxTranscodes: number('transcodes'),
      maxIntel: number('intel'),
      cpuReservePercent: number('reserve'),
      quietHours,
    }
    this.board.setNode({ nodeId, cpuCores: number('cores'), quotas, utcOffsetMinutes: number('offset'), isTaking: true }, this.nowMs)
  }

  private job(jobId: string, kind: string, words: readonly string[]): void {
    const options = optionsOf(words)
    const priority = PRIORITIES.find((each) => words.includes(each)) ?? 'local'
    const times = Number(options.get('times') ?? 1)
    for (let index = 1; index <= times; index++) {
      const job = {
        jobId: times === 1 ? jobId : `${jobId}-${String(index).padStart(3, '0')}`,
        pool: poolOf(kind),
        priority,
        asker: options.get('for') ?? '',
        queuedAtMs: this.nowMs,
        credits: Number(options.get('cost') ?? 1),
        inputBytes: Number(options.get('size') ?? 0) * 1e9,
        near: options.get('near')?.split(',') ?? [],
        onlyOn: options.get('only') ?? null,
      }
      this.board.add(job, this.nowMs)
    }
  }

  private done(jobId: string): void {
    this.running = this.running.filter((each) => each !== jobId)
    this.board.finish(jobId, this.nowMs)
  }

  private until(jobId: string): void {
    let count = 0
    for (const told = this.lines.length; !this.running.includes(jobId) && this.running.length > 0; this.lines.length = told) {
      this.done(this.running[0] ?? '')
      count++
      this.share()
    }
    this.lines.push(`${this.time()}  ${jobId} begins when ${count} are done`)
  }

  private time(): string {
    return new Date(this.nowMs).toISOString().slice(11, 19)
  }

  private share(): void {
    for (const { jobId, nodeId, isNear } of this.board.dispatch(this.nowMs)) {
      this.running.push(jobId)
      this.lines.push(`${this.time()}  ${nodeId} gets ${jobId}${isNear ? ', which is near' : ''}`)
    }
  }

  private run(seconds: number): void {
    for (let second = 0; second < seconds; second++) {
      this.nowMs += 1_000
      this.share()
    }
  }

  private credits(nodeId: string): void {
    this.lines.push(`${nodeId} has ${creditsAt(this.board.ledger.get(nodeId), this.nowMs).toFixed(0)} credits`)
  }
}

const optionsOf = (words: readonly string[]): ReadonlyMap<string, string> =>
  new Map(words.filter((word) => word.includes('=')).map((word) => [word.slice(0, word.indexOf('=')), word.slice(word.indexOf('=') + 1)]))

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

test('there are stories', () => expect(stories.length).toBeGreaterThanOrEqual(3))

test.each(stories)('%s', (name) => {
  const path = join(TESTDATA, basename(name))
  const text = readFileSync(path, 'utf8')
  const played = replay(text)
  if (process.env['THATDAM_ACCEPT'] === '1') writeFileSync(path, played)
  expect(played).toBe(text)
})
