import { existsSync, readFileSync } from 'node:fs'
import { delimiter, dirname, join, resolve } from 'node:path'
import { inheritedEnvironment } from '../hosts/env.ts'

const root = resolve(import.meta.dirname, '..', '..', '..', '..')

/** The agent as `npm run build` makes it. A planted fault has a folder of its own. */
export const AGENT_DIST = join(root, 'apps', 'agent', 'dist')

type Launch = { readonly flags: readonly string[]; readonly environment: Readonly<Record<string, string>> }
/** How the installed launcher starts the agent's Node. */
export const LAUNCH = JSON.parse(readFileSync(join(root, 'apps', 'agent', 'launch.json'), 'utf8')) as Launch

/** Of the person's own environment only this reaches an agent under test: no STATE_DIR, no cloud, no database of theirs. */
const KEPT = ['HOME', 'LANG', 'TZ', 'TMPDIR', 'TEMP', 'TMP', 'SystemRoot', 'ProgramData', 'USERPROFILE', 'FFMPEG_PATH']

/** @throws Error when the agent is not built. */
export function agentCommand(dist: string, args: readonly string[]): readonly string[] {
  const file = join(dist, 'thatdam.cjs')
  if (!existsSync(file)) throw new Error(`The agent is not built (${file} is missing): run "npm run build" first.`)
  return [...LAUNCH.flags, file, ...args]
}

/** A bare environment with the project's Node first on the PATH. */
export function agentEnvironment(given: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const inherited = inheritedEnvironment()
  const kept = KEPT.flatMap((name) => (inherited[name] === undefined ? [] : [[name, inherited[name]] as const]))
  const path = [dirname(process.execPath), inherited['PATH'] ?? ''].filter(Boolean).join(delimiter)
  const environment: Readonly<Record<string, string>> = { PATH: path, ...Object.fromEntries(kept), ...LAUNCH.environment, ...given }
  return environment as NodeJS.ProcessEnv
}

/** What the console is served from: the packed archives of this checkout, as an installed machine has it. @throws when nothing is packed. */
export function releasesDir(): string {
  const directory = join(root, 'dist', 'release')
  if (!existsSync(join(directory, 'release.json')))
    throw new Error('The console is not packed: run "npm run build" and "node scripts/pack/pack.mjs" first.')
  return directory
}

/** A console that only answers, for where the console itself is not what is looked at: no database, a tenth of the memory. */
export const STAND_IN_CONSOLE = join(import.meta.dirname, 'stand-in')
