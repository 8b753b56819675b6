import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, cpSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { STAND_IN_CONSOLE, agentCommand, agentEnvironment } from '@thatdam/testkit/ring/program'
import { Credential } from '../../apps/agent/src/state/credential.ts'

const running = new Set<ChildProcess>()

/** Whoever is stopped leaves nothing running. */
export function endAgents(): void {
  for (const child of running) child.kill('SIGKILL')
}

/** A real agent on loopback that looks for nobody. Its state directory can be copied. */
export class LoneAgent {
  readonly stateDir: string
  readonly #dist: string
  readonly #directory: string
  #child: ChildProcess | null = null

  constructor(at: { directory: string; agentDist: string }) {
    this.#directory = at.directory
    this.#dist = at.agentDist
    this.stateDir = path.join(at.directory, 'state')
    mkdirSync(this.stateDir, { recursive: true, mode: 0o700 })
  }

  /** Another machine with what is on this one's disk now. Only while this one is off. */
  copy(directory: string): LoneAgent {
    const copied = new LoneAgent({ directory, agentDist: this.#dist })
    cpSync(this.stateDir, copied.stateDir, { recursive: true })
    return copied
  }

  start(): void {
    const log = openSync(path.join(this.#directory, 'agent.out'), 'a')
    const child = spawn(process.execPath, agentCommand(this.#dist, ['run']), { env: this.#environment(), stdio: ['ignore', log, log] })
    closeSync(log)
    running.add(child)
    child.once('exit', () => running.delete(child))
    this.#child = child
  }

  /** kill -9, and waits until it is gone. */
  async kill(): Promise<void> {
    const child = this.#child
    this.#child = null
    if (child === null || child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  }

  /** @throws Error with what the program said. */
  async register(url: string, token: string): Promise<void> {
    const env = { ...this.#environment(), THATDAM_TOKEN: token }
    const child = spawn(process.execPath, agentCommand(this.#dist, ['register', '--url', url]), { env, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()))
    const [code] = (await once(child, 'close')) as [number | null]
    if (code !== 0) throw new Error(`the machine could not register: ${output}`)
  }

  /** As if a third of its access had passed: it renews when it starts. Only while it is off. */
  makeRenewalDue(): void {
    const credential = this.#credential()
    writeFileSync(this.#credentialFile, JSON.stringify({ ...credential, access: { ...credential.access, renewAtMs: 0 } }), { mode: 0o600 })
  }

  /** The last answer of the cloud is on its disk, and no renewal is under way. */
  get isRenewed(): boolean {
    const { access } = this.#credential()
    return access.pendingNonce === null && access.renewAtMs > Date.now()
  }

  /** Status of GET /health on its own network; null: nothing answers. */
  async health(): Promise<number | null> {
    try {
      const { port } = JSON.parse(readFileSync(path.join(this.stateDir, 'gateway.json'), 'utf8')) as { port: number }
      return (await fetch(`http://127.0.0.1:${port}/health`)).status
    } catch {
      return null
    }
  }

  get #credentialFile(): string {
    return path.join(this.stateDir, 'credential.json')
  }

  #credential(): Credential {
    return Credential.parse(JSON.parse(readFileSync(this.#credentialFile, 'utf8')))
  }

  #environment(): NodeJS.ProcessEnv {
    return agentEnvironment({
      STATE_DIR: this.stateDir,
      CAS_ROOT: path.join(this.#directory, 'store'),
      SERVICE_PORT: '0',
      NODE_API_PORT: '0',
      NODE_API_BIND: '127.0.0.1',
      DISCOVERY_BACKEND: 'static',
      CONSOLE_DIR: STAND_IN_CONSOLE,
    })
  }
}
