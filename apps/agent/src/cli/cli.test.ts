import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { sampleToken } from '@thatdam/control/testing/samples'
import { TestControl } from '@thatdam/control/testing/server'
import { LocalState } from '@thatdam/protocol/local'
import { ALONE } from '../testing/alone.ts'
import { isRunning, until } from '../testing/until.ts'

const main = join(dirname(import.meta.dirname), 'main.ts')
let directory: string
let stateDir: string
const started: ChildProcess[] = []

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'thatdam-cli-'))
  stateDir = join(directory, 'state')
})
afterEach(async () => {
  for (const child of started.splice(0)) {
    child.kill('SIGTERM')
    await until('it ended', () => child.exitCode !== null || child.signalCode !== null, 16_000)
  }
  rmSync(directory, { recursive: true, force: true })
})

const environment = (more: Record<string, string>) =>
  ({
    PATH: process.env['PATH'],
    HOME: directory,
    STATE_DIR: stateDir,
    SERVICE_PORT: '0',
    ...ALONE,
    ...more,
  }) as Record<string, string | undefined> as NodeJS.ProcessEnv

function thatdam(
  args: string[],
  input = '',
  more: Record<string, string> = {},
): Promise<{ code: number | null; out: string; err: string }> {
  const child = spawn(process.execPath, [main, ...args], { env: environment(more), stdio: 'pipe' })
  let [out, err] = ['', '']
  child.stdout.on('data', (chunk) => (out += String(chunk)))
  child.stderr.on('data', (chunk) => (err += String(chunk)))
  child.stdin.end(input)
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, out, err })))
}

function run(): ChildProcess {
  const child = spawn(process.execPath, [main, 'run'], { env: environment({}), stdio: 'ignore' })
  started.push(child)
  return child
}

async function running(): Promise<LocalState> {
  return await until(
    'the agent runs',
    async () => {
      const { code, out } = await thatdam(['status', '--json'])
      return code === 0 ? LocalState.parse(JSON.parse(out)) : null
    },
    20_000,
  )
}

const groups = () =>
  (JSON.parse(readFileSync(join(stateDir, 'children.json'), 'utf8')) as { groups: { pid: number }[] }).groups.map(({ pid }) => pid)

test('a second agent on the same state directory is refused and names the first; kill -9 leaves nothing, and the next start goes on', async () => {
  const first = run()
  const before = await running()
  const second = await thatdam(['run'])
  expect(second.code).toBe(1)
  expect(second.err).toContain(`Another agent (process ${first.pid}) already runs with the state directory ${stateDir}.`)

  await until('it passed its self-test', async () => (await thatdam(['status'])).out.includes('\nSelf-test passed at '), 30_000)
  await until('children run', () => existsSync(join(stateDir, 'children.json')) && groups().length >= 3)
  const children = groups()
  expect(children.every(isRunning)).toBe(true)
  first.kill('SIGKILL')
  await until('all children ended themselves', () => children.every((pid) => !isRunning(pid)), 10_000)
  expect((await thatdam(['status'])).code).toBe(3)

  const third = run()
  const after = await until('it leads again', async () => {
    const now = await running()
    return now.node.term.number > before.node.term.number ? now : null
  })
  expect(after.node.nodeId).toBe(before.node.nodeId)
  const last = groups()
  const stoppedAtMs = Date.now()
  third.kill('SIGTERM')
  await until('it ended', () => third.exitCode !== null, 16_000)
  expect(third.exitCode).toBe(0)
  expect(Date.now() - stoppedAtMs).toBeLessThan(15_000)
  expect(last.some(isRunning)).toBe(false)
  const logs = await thatdam(['logs'])
  expect(logs.out).toContain('SIGTERM: stops everything in order')
}, 90_000)

test('why a start was refused is told, and stands in the log that outlives the terminal', async () => {
  mkdirSync(stateDir, { mode: 0o700 })
  writeFileSync(join(stateDir, 'identity.json'), '{')
  const refused = await thatdam(['run'])
  expect(refused).toMatchObject({ code: 1, err: expect.stringContaining('identity.json') })
  const logged = await thatdam(['logs'])
  expect(logged.out).toMatch(/ error the agent ended\n.*identity\.json/)
})

test('register from a file and from standard input, status, unregister; errors are one sentence and a non-zero exit', async () => {
  const control = await new TestControl().start()
  try {
    const { text, stored } = sampleToken(control.instance.publicKey, Date.now())
    control.store.addToken(stored)
    const file = join(directory, 'token')
    writeFileSync(file, `${text}\n`)
    const registered = await thatdam(['register', '--url', control.url, '--token-file', file])
    expect(registered).toMatchObject({ code: 0, err: '' })
    expect(registered.out).toMatch(/^Registered with .* as [a-z0-9-]+\.\nStart it with: thatdam run\n$/)
    const again = await thatdam(['register', '--starts-next', '--url', control.url, '--token', '-'], text)
    expect(again.out).toMatch(/^[^\n]* It stays the same node\.\n$/)
    expect((await thatdam(['register', '--url', control.url], '', { THATDAM_TOKEN: text })).code).toBe(0)

    for (const [args, sentence] of [
      [['register', '--url', control.url, '--token', 'td1.x'], 'thatdam: The join token is incomplete'],
      [['register', '--token', text], 'thatdam: The address of the cloud app is missing.'],
      [['register', '--url', 'http://127.0.0.1:1', '--token', text], 'cannot be reached (nothing answers at that address and port)'],
      [['register', '--url', control.url, '--token-file', '/none'], 'The token file /none cannot be read (ENOENT).'],
      [['logs', 'nonsense'], 'There is no service “nonsense”.'],
      [['frobnicate'], 'there is no command “frobnicate”'],
      [['run', '--frobnicate'], "Unknown option '--frobnicate'"],
    ] as const) {
      const { code, err } = await thatdam([...args])
      expect([args.join(' '), code !== 0, err.includes(sentence) ? sentence : err]).toEqual([args.join(' '), true, sentence])
    }
    expect((await thatdam(['unregister'])).out).toContain(`Forgot ${control.url}.`)
    expect((await thatdam(['unregister'])).out).toContain('not registered')
    expect((await thatdam(['version'])).out).toMatch(/^thatdam \d+\.\d+\.\d+ /)
    expect((await thatdam(['run'], '', { SERVICE_PORT: 'x' })).err).toContain('The environment variable SERVICE_PORT cannot be used')
  } finally {
    await control.stop()
  }
}, 60_000)

test('the password is set and reset on the machine, without cloud and without a running agent', async () => {
  const set = await thatdam(['password'], 'a long enough password\n')
  expect(set).toMatchObject({ code: 0, err: '' })
  const owner = JSON.parse(readFileSync(join(stateDir, 'owner.json'), 'utf8')) as { passwordHash: string }
  expect(owner.passwordHash).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/)
  expect((await thatdam(['password'], 'short\n')).err).toContain('at least 10 characters')
  expect((await thatdam(['password', '--reset'])).code).toBe(0)
  expect(JSON.parse(readFileSync(join(stateDir, 'owner.json'), 'utf8'))).toMatchObject({ passwordHash: null })
}, 30_000)
