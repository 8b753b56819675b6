import { accessSync, constants, existsSync, mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Quotas } from '@thatdam/protocol/plan'
import { configOf, FACTS, fixtureSpec, planned, planOf } from '../../testing/plans.ts'
import { isRunning, until } from '../../testing/until.ts'
import { SupervisedService } from '../supervised.ts'
import { CgroupTree, delegatedFolder, readCgroupFacts } from './cgroup.ts'
import { execRuntime } from './runtime.ts'

const MiB = 2 ** 20
const NAME = 'thatdam-0123abcd'
const quotas = (cpuReservePercent: number): Quotas => ({
  maxDerives: 1,
  maxTranscodes: 0,
  maxIntel: 0,
  cpuReservePercent,
  quietHours: null,
})

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'thatdam-cgroup-'))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

/** A folder that looks like a version 2 group that was given to us. Files of a real one appear by themselves; here by being written. */
function fakeTree(controllers = 'cpuset cpu io memory pids'): string {
  const base = join(directory, 'thatdam.service')
  mkdirSync(base)
  writeFileSync(join(base, 'cgroup.controllers'), `${controllers}\n`)
  return base
}
const read = (...parts: string[]): string => readFileSync(join(...parts), 'utf8')

function service(name: 'indexer' | 'media-api', cgroups: CgroupTree | null, params = {}): SupervisedService {
  const runtime = execRuntime({ environment: process.env, groups: { add: () => {}, remove: () => {} }, cgroups, log: () => {} })
  const one = planned(name, params)
  const context = { planned: one, plan: planOf(one).body, config: configOf(one), facts: FACTS }
  const spec = { ...fixtureSpec, rssMaxBytes: 200 * MiB, toolsMaxBytes: 100 * MiB }
  return new SupervisedService({ runtime, context, spec, logsDir: join(directory, 'logs'), changed: () => {} })
}
const pidOf = (running: SupervisedService): number | null => (running.view().status as { pid: number } | null)?.pid ?? null

const MOUNTS = [
  '22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw',
  '29 22 0:26 / /sys/fs/cgroup rw,nosuid,nodev shared:9 - cgroup2 cgroup2 rw,nsdelegate',
].join('\n')

test('only a group that is ours is used', () => {
  const under = (path: string, systemd = true) => delegatedFolder({ mountinfo: MOUNTS, cgroup: `0::${path}\n`, systemd })
  expect(under('/system.slice/thatdam.service')).toBe('/sys/fs/cgroup/system.slice/thatdam.service')
  expect(under('/user.slice/user-1000.slice/user@1000.service/app.slice/thatdam-ab12.service')).toMatch(/thatdam-ab12\.service$/)
  expect(under('/system.slice/thatdam.service/thatdam-0123abcd/agent')).toBe('/sys/fs/cgroup/system.slice/thatdam.service')
  expect(under('/user.slice/user-0.slice/session-3.scope')).toBeNull()
  expect(under('/system.slice/ssh.service')).toBeNull()
  expect(under('/', false)).toBe('/sys/fs/cgroup')
  expect(delegatedFolder({ mountinfo: MOUNTS.split('\n')[0] ?? '', cgroup: '0::/\n', systemd: false })).toBeNull()
  expect(delegatedFolder({ mountinfo: MOUNTS, cgroup: '4:memory:/x\n', systemd: false })).toBeNull()
  const inContainer = MOUNTS.replace('0:26 / ', '0:26 /docker/abc ')
  expect(delegatedFolder({ mountinfo: inContainer, cgroup: '0::/docker/abc/x\n', systemd: false })).toBe('/sys/fs/cgroup/x')
})

test('limits reach the files before the service runs, and it enters its group before it is itself', async () => {
  const base = fakeTree()
  const tree = CgroupTree.open(base, NAME)
  tree.quotas(quotas(40))
  const own = tree.folder
  expect(read(base, 'cgroup.subtree_control')).toBe('+cpu +memory')
  expect(read(own, 'background', 'cgroup.subtree_control')).toBe('+cpu +memory')
  expect(read(own, 'background', 'cpu.max')).toBe(`${Math.round(availableParallelism() * 60_000)} 100000`)
  expect(Number(read(own, 'background', 'cpu.weight'))).toBeLessThan(100)
  const indexer = service('indexer', tree)
  const mediaApi = service('media-api', tree)
  const pid = await until('the indexer runs', () => pidOf(indexer))
  expect(Number(read(own, 'background', 'indexer-1', 'cgroup.procs'))).toBe(pid)
  expect(read(own, 'background', 'indexer-1', 'memory.max')).toBe(`${300 * MiB}`)
  expect(existsSync(join(own, 'background', 'indexer-1', 'cpu.weight'))).toBe(false)
  expect(Number(read(own, 'media-api-2', 'cgroup.procs'))).toBe(await until('the media-api runs', () => pidOf(mediaApi)))
  expect(read(own, 'media-api-2', 'cpu.weight')).toBe('100')
  expect(existsSync(join(own, 'media-api-2', 'cpu.max'))).toBe(false)
  tree.quotas(quotas(0))
  expect(read(own, 'background', 'cpu.max')).toBe('max 100000')
  await Promise.all([indexer.stop(), mediaApi.stop()])
  expect(read(own, 'background', 'indexer-1', 'cgroup.kill')).toBe('1')
})

test('recordings are never limited in their processor time', () => {
  const tree = CgroupTree.open(fakeTree(), NAME)
  const { path } = tree.make({ name: 'capture-daemon', memoryMaxBytes: MiB })
  expect(path).not.toContain('background')
  expect(Number(read(path, 'cpu.weight'))).toBeGreaterThan(100)
  expect(existsSync(join(path, 'cpu.max'))).toBe(false)
})

test('a group in which others are is left as it was: no limits, and we are back where we came from', () => {
  const base = fakeTree()
  mkdirSync(join(base, 'cgroup.subtree_control')) // cannot be written: what EBUSY is in a real tree
  const tree = CgroupTree.open(base, NAME)
  expect(read(base, 'cgroup.procs')).toBe(String(process.pid))
  expect(tree.describes).toBe('ends services whole, without limits')
  expect(existsSync(join(tree.make({ name: 'indexer', memoryMaxBytes: MiB }).path, 'memory.max'))).toBe(false)
})

test('a service whose group cannot be made runs without it', async () => {
  const base = fakeTree()
  const tree = CgroupTree.open(base, NAME)
  rmSync(base, { recursive: true })
  const running = service('indexer', tree)
  await until('it runs', () => pidOf(running))
  await running.stop()
})

function realTree(): string | null {
  const folder = delegatedFolder({ ...readCgroupFacts(), systemd: false })
  try {
    accessSync(folder ?? '/nowhere', constants.W_OK)
    return folder
  } catch {
    console.log('no control group of version 2 can be written here: the test in a real tree is left out')
    return null
  }
}

/** On a machine whose version 2 tree may be written; without controllers too, the kernel ends groups whole. */
const real = process.platform === 'linux' ? realTree() : null
test.skipIf(real === null)('in a real tree, a grandchild with a session of its own does not outlive the service', async () => {
  const base = join(real ?? '', `thatdam-test-${process.pid}`)
  mkdirSync(base)
  const tree = CgroupTree.open(base, NAME)
  try {
    const running = service('indexer', tree, { grandchild: 'setsid' })
    const status = await until('it runs', () => running.view().status as { pid: number; grandchild: number } | null)
    await until(
      'the grandchild has its own session',
      () => read('/proc', `${status.grandchild}`, 'stat').split(' ')[5] === `${status.grandchild}`,
    )
    await running.command('exit', {}).catch(() => {})
    await until('the grandchild is gone', () => !isRunning(status.grandchild), 1_000)
    await until('it starts again', () => pidOf(running) !== null && pidOf(running) !== status.pid)
    await running.stop()
    expect(existsSync(join(tree.folder, 'background', 'indexer-1'))).toBe(false)
    // What an agent that was killed leaves, the next one ends.
    const left = service('indexer', tree, { grandchild: 'setsid' })
    const pid = await until('it runs', () => pidOf(left))
    CgroupTree.open(base, NAME)
    await until('the next agent ended it', () => !isRunning(pid), 2_000)
    await left.stop()
  } finally {
    tree.close()
    rmdirSync(base)
  }
})
