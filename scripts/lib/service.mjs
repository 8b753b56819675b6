// One long-running program of `npm start`: started in its own process group, its output in a log file, stopped in order.
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { inRoot, node26 } from './paths.mjs'

const STOP_LIMIT_MS = 20_000

export class Service {
  /**
   * @param {{ name: string, args: string[], cwd: string, env: NodeJS.ProcessEnv, logFile: string, verbose: boolean, onExit: (code: number) => void }} options
   */
  constructor({ name, args, cwd, env, logFile, verbose, onExit }) {
    this.name = name
    this.logFile = logFile
    this.stopping = false
    fs.mkdirSync(path.dirname(logFile), { recursive: true })
    const log = fs.createWriteStream(logFile, { flags: 'a' })
    const guard = pathToFileURL(inRoot('scripts', 'lib', 'parent-guard.mjs')).href
    this.child = spawn(node26, ['--import', guard, ...args], {
      cwd,
      env,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      detached: process.platform !== 'win32', // its own group: a Ctrl-C at the terminal reaches only the start script, which stops things in order
      windowsHide: true,
    })
    for (const stream of [this.child.stdout, this.child.stderr])
      stream?.on('data', (/** @type {Buffer} */ chunk) => {
        log.write(chunk)
        if (verbose) process.stdout.write(chunk)
      })
    this.ended = new Promise((resolve) => {
      this.child.once('close', (code) => {
        log.end()
        resolve(undefined)
        if (!this.stopping) onExit(code ?? 1)
      })
    })
  }

  /** Ends it: SIGTERM, then after 20 s SIGKILL. Windows has no SIGTERM, only an end at once: there it stops by itself when its channel closes. */
  async stop() {
    this.stopping = true
    if (this.child.exitCode !== null || this.child.signalCode !== null) return
    if (process.platform === 'win32' && this.child.connected) this.child.disconnect()
    else this.child.kill('SIGTERM')
    const timer = setTimeout(() => this.child.kill('SIGKILL'), STOP_LIMIT_MS)
    await this.ended
    clearTimeout(timer)
  }

  /** The last lines of its log, for an error message. */
  lastLines(count = 12) {
    try {
      return fs.readFileSync(this.logFile, 'utf8').trimEnd().split('\n').slice(-count).join('\n')
    } catch {
      return '(no log)'
    }
  }
}
