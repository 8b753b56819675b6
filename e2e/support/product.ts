import { spawn, type ChildProcess } from 'node:child_process'
import { createServer, type AddressInfo } from 'node:net'
import path from 'node:path'
import { ALONE } from './alone.ts'

const root = path.resolve(import.meta.dirname, '..', '..')

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise<void>((resolve) => server.close(() => resolve()))
  return port
}

export interface Product {
  readonly cloudUrl: string
  readonly consoleUrl: string
  readonly email: string
  /** Null from the second start on. */
  readonly oneTimePassword: string | null
  readonly output: () => string
  readonly process: ChildProcess
  /** SIGTERM, as Ctrl-C does it; resolves with the exit code. */
  stop(): Promise<number>
}

/** What `npm start` does, with everything kept below `dataDirectory`. */
export async function startProduct(dataDirectory: string, environment: Readonly<Record<string, string>> = {}): Promise<Product> {
  const child = spawn(process.execPath, [path.join(root, 'scripts', 'start.mjs'), '--yes', '--data', dataDirectory], {
    cwd: root,
    env: { ...process.env, ...ALONE, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  const ended = new Promise<number>((resolve) => child.once('close', (code) => resolve(code ?? 1)))
  await new Promise<void>((resolve, reject) => {
    const keep = (chunk: Buffer): void => {
      output += chunk.toString()
      if (output.includes('Ctrl-C stops everything')) resolve()
    }
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    void ended.then((code) => reject(new Error(`npm start ended with ${code}:\n${output}`)))
  })
  const find = (pattern: RegExp): string | null => pattern.exec(output)?.[1] ?? null
  return {
    cloudUrl: find(/Cloud app\s+(\S+)/) ?? '',
    consoleUrl: find(/Your media and cameras\s+(\S+)/) ?? '',
    email: find(/sign in as\s+(\S+)/) ?? '',
    oneTimePassword: find(/one-time password\s+(\S+)/),
    output: () => output,
    process: child,
    stop: async () => {
      child.kill('SIGTERM')
      return await ended
    },
  }
}

/** Runs a command line as a person's shell would; its whole output comes back. */
export async function shell(
  commandLine: string,
  environment: Readonly<Record<string, string>> = {},
): Promise<{ code: number; output: string }> {
  const child = spawn('sh', ['-c', commandLine], { env: { ...process.env, ...environment }, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const code = await new Promise<number>((resolve) => child.once('close', (value) => resolve(value ?? 1)))
  return { code, output }
}
