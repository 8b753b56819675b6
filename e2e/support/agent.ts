import { spawn, spawnSync } from 'node:child_process'
import path from 'node:path'
import { ALONE } from './alone.ts'

const root = path.resolve(import.meta.dirname, '..', '..')
const program = path.join(root, 'apps', 'agent', 'dist', 'thatdam.cjs')

export interface RunningAgent {
  readonly consoleUrl: string
  readonly output: () => string
  /** SIGTERM; resolves with the exit code. */
  stop(): Promise<number>
}

export interface AgentRun {
  readonly stateDir: string
  readonly environment?: Readonly<Record<string, string>>
  /** Shell lines that run before it in mounts of its own, such as a small disk; needs `canMount`. */
  readonly mounts?: string
  /** Runs it as this user, when the test runs as root. */
  readonly uid?: number
}

/** Whether this machine lets us make mounts that only our own processes see. */
export const canMount = process.platform === 'linux' && spawnSync('unshare', ['-m', 'true']).status === 0

function launch({ stateDir, environment = {}, mounts, uid }: AgentRun, args: readonly string[]) {
  const env = {
    ...process.env,
    RELEASES_DIR: path.join(root, 'dist', 'release'),
    SERVICE_PORT: '0',
    ...ALONE,
    ...environment,
    STATE_DIR: stateDir,
  }
  const command = [process.execPath, program, ...args]
  const wrapped = mounts === undefined ? command : ['unshare', '-m', 'sh', '-ec', `${mounts}\nexec "$@"`, 'sh', ...command]
  const child = spawn(wrapped[0] ?? '', wrapped.slice(1), {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(uid === undefined ? {} : { uid, gid: uid }),
  })
  let output = ''
  const heard: (() => void)[] = []
  const keep = (chunk: Buffer): void => {
    output += chunk.toString()
    for (const hear of heard) hear()
  }
  child.stdout.on('data', keep)
  child.stderr.on('data', keep)
  const ended = new Promise<number>((resolve) => child.once('close', (code) => resolve(code ?? 1)))
  return { child, ended, output: () => output, onOutput: (hear: () => void) => heard.push(hear) }
}

/** `thatdam <args>` to its end. */
export async function thatdam(run: AgentRun, ...args: readonly string[]): Promise<{ code: number; output: string }> {
  const { ended, output } = launch(run, args)
  const code = await ended
  return { code, output: output() }
}

/** `thatdam run` until it says that it runs. */
export async function startAgent(run: AgentRun): Promise<RunningAgent> {
  const { child, ended, output, onOutput } = launch(run, ['run'])
  const find = (): string | null => /runs as process \d+; console: (\S+)/.exec(output())?.[1] ?? null
  const consoleUrl = await new Promise<string>((resolve, reject) => {
    onOutput(() => {
      const url = find()
      if (url !== null) resolve(url)
    })
    void ended.then((code) => reject(new Error(`thatdam run ended with ${code}:\n${output()}`)))
  })
  return {
    consoleUrl,
    output,
    stop: async () => {
      child.kill('SIGTERM')
      return await ended
    },
  }
}
