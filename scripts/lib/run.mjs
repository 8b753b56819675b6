// Runs one command to its end.
import { spawn } from 'node:child_process'
import { root, toolEnvironment } from './paths.mjs'

/**
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ env?: NodeJS.ProcessEnv, quiet?: boolean, cwd?: string, timeoutMs?: number, stdio?: 'inherit' }} [options] quiet: output is kept and returned instead of shown
 * @returns {Promise<{ code: number, output: string }>} code 127 when the command is not there, 124 when it ran out of time
 */
export function run(command, args, options = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: options.cwd ?? root,
      env: options.env ?? toolEnvironment(),
      stdio: options.quiet ? ['ignore', 'pipe', 'pipe'] : ['ignore', 'inherit', 'inherit'],
      shell: process.platform === 'win32' && !command.endsWith('.exe'),
    })
    let output = ''
    const keep = (/** @type {Buffer} */ chunk) => (output = (output + chunk.toString()).slice(-200_000))
    child.stdout?.on('data', keep)
    child.stderr?.on('data', keep)
    let timedOut = false
    const timer = options.timeoutMs
      ? setTimeout(() => {
          timedOut = true
          child.kill('SIGKILL')
        }, options.timeoutMs)
      : null
    const end = (/** @type {number} */ code) => {
      if (timer) clearTimeout(timer)
      resolve({ code: timedOut ? 124 : code, output })
    }
    child.once('error', () => end(127))
    child.once('close', (code) => end(code ?? 1))
  })
}
