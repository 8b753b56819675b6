import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { PROFILE_NAMES, type ProfileName } from '@thatdam/testkit/profiles/load'
import { generateMedia } from '../e2e/support/media.ts'
import { livePage } from './page-html.ts'
import { servePage } from './server.ts'
import { Stage, type StageOptions } from './stage.ts'

const USAGE = `A ring of machines on this machine, each a real agent that takes itself for one of the reference machines.

  npm run demo                      all five, with media, moving test cameras and the real console
  npm run ring -- [--profiles a,b,c] [--order given|random] [--seed N]
    --profiles   ${PROFILE_NAMES.join(', ')}; default all
    --order      in which they are switched on; random by the seed
    --real       the real console with its database, instead of one that only answers
    --separate   each a ring of its own, as freshly installed
    --loopback   hosts as loopback addresses also where network namespaces are allowed
  Both: --page-port N (7780) of the live page, --console-port N (7788) of the leader's console; a taken one is replaced by any free one.

Ctrl-C ends all of it and leaves nothing behind.`

const PAGE_PORT = 7780
const CONSOLE_PORT = 7788

class UsageError extends Error {}

interface Play {
  readonly options: Omit<StageOptions, 'directory'>
  readonly hasMedia: boolean
  readonly pagePort: number
  readonly consolePort: number
}

async function main(argv: string[]): Promise<void> {
  const play = parse(argv)
  if (play === null) {
    console.log(USAGE)
    return
  }
  const directory = mkdtempSync(path.join(os.tmpdir(), 'thatdam-demo-'))
  try {
    await perform(play, directory)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

function parse(argv: string[]): Play | null {
  const { values, positionals } = parsed(argv)
  const [which = ''] = positionals
  if (values.help === true) return null
  if (positionals.length !== 1 || (which !== 'demo' && which !== 'ring')) throw new UsageError(USAGE)
  const isDemo = which === 'demo'
  const order = values.order ?? 'given'
  if (order !== 'given' && order !== 'random') throw new UsageError(`--order is given or random, not “${order}”.`)
  return {
    options: {
      title: isDemo ? 'Five machines on this one' : 'A ring to play with',
      profiles: profilesOf(values.profiles ?? PROFILE_NAMES.join(',')),
      order,
      seed: wholeNumber('--seed', values.seed ?? '1'),
      console: isDemo || values.real === true ? 'real' : 'stand-in',
      joined: values.separate !== true,
      ...(values.loopback === true ? { mode: 'loopback' } : {}),
    },
    hasMedia: isDemo,
    pagePort: wholeNumber('--page-port', values['page-port'] ?? String(PAGE_PORT)),
    consolePort: wholeNumber('--console-port', values['console-port'] ?? String(CONSOLE_PORT)),
  }
}

function parsed(argv: string[]) {
  try {
    return parseArgs({
      args: argv,
      allowPositionals: true,
      options: {
        profiles: { type: 'string' },
        order: { type: 'string' },
        seed: { type: 'string' },
        real: { type: 'boolean' },
        separate: { type: 'boolean' },
        loopback: { type: 'boolean' },
        'page-port': { type: 'string' },
        'console-port': { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    })
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`)
  }
}

function profilesOf(text: string): ProfileName[] {
  const names = text.split(',').map((name) => name.trim())
  const unknown = names.filter((name) => !PROFILE_NAMES.some((known) => known === name))
  if (unknown.length > 0) throw new UsageError(`There is no profile “${unknown.join('”, “')}”. There are ${PROFILE_NAMES.join(', ')}.`)
  if (new Set(names).size < names.length) throw new UsageError('Each profile can be there once: its name is that of its machine.')
  return names as ProfileName[]
}

function wholeNumber(option: string, text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new UsageError(`${option} takes a whole number, not “${text}”.`)
  return Number(text)
}

async function perform(play: Play, directory: string): Promise<void> {
  const stopped = new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => resolve())
  })
  const surroundings = play.hasMedia ? await withMedia(path.join(directory, 'media')) : {}
  const stage = await Stage.up({ ...play.options, ...surroundings, directory }, play.consolePort)
  try {
    const page = await servePage(stage, await livePage(), play.pagePort)
    try {
      if (stage.notice !== '') say(stage.notice)
      say(`the ring, live: ${page.url}`)
      await Promise.race([stopped, stage.startAll(say).then(() => announce(stage, page.url))])
      await stopped
      say('stopping all machines')
    } finally {
      await page.close()
    }
  } finally {
    await stage.down()
  }
}

async function announce(stage: Stage, pageUrl: string): Promise<void> {
  if (!(await stage.consoleAnswers())) return
  console.log(`
  The leader’s console   ${stage.leaderUrl}
  The ring, live         ${pageUrl}

  Pull a plug on the page: the console’s address stays, whoever leads.
  Ctrl-C ends all of it.
`)
}

/** Folders of photos and films for the two workstations, a moving camera for all that have one. */
async function withMedia(directory: string): Promise<Pick<StageOptions, 'environmentOf'>> {
  say('making some media')
  const [editor, laptop] = [path.join(directory, 'Footage'), path.join(directory, 'Pictures')]
  for (const folder of [editor, laptop]) await generateMedia(folder)
  const camera = { TEST_CAMERAS: 'clock' }
  return {
    environmentOf: {
      'win11-editor': { ...camera, INDEX_PATHS: editor },
      'pizero-cam1': camera,
      macbook: { ...camera, INDEX_PATHS: laptop },
    },
  }
}

function say(text: string): void {
  console.log(`thatdam: ${text}`)
}

try {
  await main(process.argv.slice(2))
} catch (error) {
  if (!(error instanceof UsageError)) throw error
  console.error(error.message)
  process.exitCode = 64
}
