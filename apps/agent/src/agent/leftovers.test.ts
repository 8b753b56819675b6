import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { isRunning } from '../testing/until.ts'
import { endLeftovers, Groups } from './leftovers.ts'

let directory: string
let file: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'thatdam-leftovers-'))
  file = join(directory, 'children.json')
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

test.skipIf(process.platform !== 'linux')(
  'what a killed agent left is ended after its grace time; others with a recycled number are not',
  async () => {
    // Deaf to SIGTERM, as a process that hangs is.
    const left = spawn('sh', ['-c', 'trap "" TERM; echo deaf; sleep 60'], { detached: true, stdio: ['ignore', 'pipe', 'ignore'] })
    await new Promise((resolve) => left.stdout.once('data', resolve))
    const other = spawn('sleep', ['60'], { detached: true, stdio: 'ignore' })
    const gone = new Promise((resolve) => left.on('exit', (_code, signal) => resolve(signal)))
    const groups = new Groups(file)
    groups.add(left.pid ?? 0)
    groups.add(other.pid ?? 0)
    await groups.settled()
    const text = readFileSync(file, 'utf8')
    const parsed = JSON.parse(text) as { groups: { pid: number; startedAt: string }[] }
    parsed.groups = parsed.groups.map((group) => (group.pid === other.pid ? { ...group, startedAt: '1' } : group))
    writeFileSync(file, JSON.stringify(parsed))
    expect(await endLeftovers(file, 600)).toBe(1)
    expect(await gone).toBe('SIGKILL')
    expect(isRunning(other.pid ?? 0)).toBe(true)
    other.kill('SIGKILL')
  },
)

test('after a restart of the machine, or with a damaged list, nothing is ended', async () => {
  const other = spawn('sleep', ['60'], { detached: true, stdio: 'ignore' })
  writeFileSync(file, JSON.stringify({ version: 1, bootId: 'an earlier one', groups: [{ pid: other.pid, startedAt: '' }] }))
  expect(await endLeftovers(file, 100)).toBe(0)
  writeFileSync(file, 'garbage')
  expect(await endLeftovers(file, 100)).toBe(0)
  expect(isRunning(other.pid ?? 0)).toBe(true)
  other.kill('SIGKILL')
})
