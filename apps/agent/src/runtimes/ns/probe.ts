import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { sandboxPrefix, type SandboxOptions, type Tool } from './sandbox.ts'

const PROBE_LIMIT_MS = 10_000

/** The first tool whose sandbox holds what it must, seen by trying to break out; else why there is none. */
export async function findTool(stateDir: string, options: SandboxOptions): Promise<{ tool: Tool } | { missing: string }> {
  const reasons: string[] = []
  for (const tool of ['unshare', 'bwrap'] as const) {
    const problem = await probe(tool, stateDir, options)
    if (problem === null) return { tool }
    reasons.push(`${tool}: ${problem}`)
  }
  return { missing: reasons.join('; ') }
}

/** Null: it holds. */
async function probe(tool: Tool, stateDir: string, options: SandboxOptions): Promise<string | null> {
  const name = `.thatdam-probe-${randomBytes(6).toString('hex')}`
  const inside = join(stateDir, name)
  const outside = [...new Set(['/', '/tmp', '/var/tmp', dirname(stateDir)])].map((folder) => join(folder, name))
  // Each attempt must fail by itself; the last one must succeed.
  const attempts = [
    ...outside.map((path) => `{ echo >'${path.replaceAll("'", String.raw`'\''`)}'; }`),
    `{ kill -0 ${process.pid} && echo seen; }`,
  ].map((attempt) => `${attempt} 2>/dev/null`)
  const { code, output } = await run([...sandboxPrefix(tool, options), '/bin/sh', '-c', `${attempts.join('; ')}; echo >"$0"`, inside])
  const escaped = outside.filter((path) => existsSync(path))
  const wrote = existsSync(inside)
  for (const path of [...escaped, inside]) rmSync(path, { force: true })
  if (escaped.length > 0) return `it lets a service write ${dirname(escaped[0] ?? '')}`
  if (code !== 0 || !wrote) return output.trim().split('\n')[0]?.slice(0, 200) || `it ended with code ${code ?? 'none'}`
  return output.includes('seen') ? 'it lets a service see other processes' : null
}

function run(words: readonly string[]): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve) => {
    const [command = '', ...args] = words
    const child = spawn(command, args, { cwd: '/', stdio: ['ignore', 'pipe', 'pipe'], timeout: PROBE_LIMIT_MS, killSignal: 'SIGKILL' })
    let output = ''
    const keep = (data: Buffer) => (output = (output + data.toString('utf8')).slice(-4_000))
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    child.once('error', (error: NodeJS.ErrnoException) =>
      resolve({ code: null, output: error.code === 'ENOENT' ? 'not installed' : error.message }),
    )
    child.once('close', (code) => resolve({ code, output }))
  })
}
