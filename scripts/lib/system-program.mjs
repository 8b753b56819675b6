// Programs that come from the system's package manager. Never a password prompt that hangs: without rights, the exact command is shown.
import fs from 'node:fs'
import path from 'node:path'
import readline from 'node:readline/promises'
import { usualFolders } from '../../apps/agent/src/facts/program-folders.mjs'
import { systemPath } from './paths.mjs'
import { run } from './run.mjs'

/** On PATH, or where the agent looks too. @param {readonly string[]} names @returns {string | null} */
export function findOnPath(names) {
  const folders = [...systemPath.split(path.delimiter), ...usualFolders(process.platform, process.env)]
  const endings = process.platform === 'win32' ? ['.exe', '.cmd', ''] : ['']
  for (const name of names)
    for (const folder of folders)
      for (const ending of endings) {
        const file = path.join(folder, name + ending)
        try {
          fs.accessSync(file, fs.constants.X_OK)
          if (fs.statSync(file).isFile()) return file
        } catch {
          continue // not in this folder
        }
      }
  return null
}

/**
 * How this system installs a package.
 * @param {{ apt: string, brew: string, winget: string }} packages
 * @returns {Promise<{ shown: string, steps: string[][], allowed: boolean } | null>} null: no package manager that we know
 */
async function installer(packages) {
  const brew = process.platform === 'darwin' ? findOnPath(['brew']) : null
  if (brew) return { shown: `brew install ${packages.brew}`, steps: [[brew, 'install', packages.brew]], allowed: true }
  if (process.platform === 'win32' && findOnPath(['winget'])) {
    const args = [
      'install',
      '--id',
      packages.winget,
      '-e',
      '--accept-package-agreements',
      '--accept-source-agreements',
      '--disable-interactivity',
    ]
    return { shown: `winget install --id ${packages.winget} -e`, steps: [['winget', ...args]], allowed: true }
  }
  if (process.platform !== 'linux' || !findOnPath(['apt-get'])) return null
  const asRoot = process.getuid?.() === 0
  const sudo = asRoot ? [] : ['sudo', '-n']
  const allowed = asRoot || (await run('sudo', ['-n', 'true'], { quiet: true, timeoutMs: 5000 })).code === 0
  return {
    shown: `sudo apt-get update && sudo apt-get install -y ${packages.apt}`,
    steps: [
      [...sudo, 'apt-get', 'update', '-qq'],
      [
        ...sudo,
        'env',
        'DEBIAN_FRONTEND=noninteractive',
        'apt-get',
        'install',
        '-y',
        '-qq',
        '--no-install-recommends',
        ...packages.apt.split(' '),
      ],
    ],
    allowed,
  }
}

/** @param {string} question */
async function askYes(question) {
  const terminal = readline.createInterface({ input: process.stdin, output: process.stdout })
  try {
    const answer = await terminal.question(`${question} [Y/n] `)
    return !/^n/i.test(answer.trim())
  } finally {
    terminal.close()
  }
}

/**
 * Installs a program when it is missing and this person may install it.
 * @param {{ title: string, names: string[], packages: { apt: string, brew: string, winget: string }, without: string, yes: boolean, say: (text: string) => void }} wish
 * @returns {Promise<string | null>} the program's path, or null when it stays away
 */
export async function ensureProgram({ title, names, packages, without, yes, say }) {
  const found = findOnPath(names)
  if (found) return found
  const how = await installer(packages)
  if (!how) {
    say(`${title} is missing, and no package manager that we know is here: install it by hand, then start again. ${without}`)
    return null
  }
  const atTerminal = process.stdin.isTTY === true && process.stdout.isTTY === true
  if (!how.allowed || (atTerminal && !yes && !(await askYes(`${title} is missing. Install it now (${how.shown})?`)))) {
    say(`${title} is missing. Install it with:  ${how.shown}`)
    say(without)
    return null
  }
  say(`installing ${title}: ${how.shown}`)
  for (const [command, ...args] of how.steps) {
    const result = await run(command, args, { quiet: true, timeoutMs: 600_000 })
    if (result.code !== 0) {
      say(`that failed: ${result.output.trim().split('\n').at(-1) ?? 'no reason told'}. By hand:  ${how.shown}`)
      say(without)
      return null
    }
  }
  return findOnPath(names)
}
