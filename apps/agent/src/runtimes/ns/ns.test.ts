import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync, existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { readMounts, readOnlyOptions } from './mounts.ts'
import { sandboxPrefix } from './sandbox.ts'

const NOBODY = 65_534
const isRoot = process.getuid?.() === 0
const script = join(import.meta.dirname, '../../testing/ns-agent.ts')

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "thatdam-ns it's "))
  chmodSync(directory, 0o755)
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

interface Seen {
  readonly could: { uid: number; capabilities: string; wrote: string[]; access: string[]; read: (string | null)[]; saw: number[] }
  readonly end: string
  readonly reason: string
}

/** Below /tmp, which the sandbox replaces; `elsewhere` is not. */
function lay(elsewhere: string, uid: number) {
  const [stateDir, pictures, hidden] = [join(directory, 'state'), join(directory, 'Pictures'), join(directory, 'private')]
  const paths = { stateDir, casRoot: join(elsewhere, 'store'), pictures, private: hidden }
  for (const path of Object.values(paths)) mkdirSync(path, { recursive: true })
  writeFileSync(join(paths.stateDir, 'identity.json'), 'the key')
  writeFileSync(join(paths.pictures, 'a.jpg'), 'a picture')
  writeFileSync(join(paths.private, 'b.txt'), 'not for services')
  for (const path of [directory, elsewhere, ...Object.values(paths)]) chownSync(path, uid, uid)
  chownSync(join(paths.stateDir, 'identity.json'), uid, uid)
  return paths
}

function runAs(uid: number, given: unknown, environment: Record<string, string> = {}): Seen {
  const drop = uid === 0 ? [] : ['setpriv', `--reuid=${uid}`, `--regid=${uid}`, '--clear-groups']
  const words = [...drop, process.execPath, script, directory, JSON.stringify(given)]
  const ran = spawnSync(words[0] ?? '', words.slice(1), { encoding: 'utf8', timeout: 30_000, env: { ...process.env, ...environment } })
  if (ran.status !== 0) throw new Error(`it failed: ${ran.stdout} ${ran.stderr}`)
  return JSON.parse(ran.stdout.trim().split('\n').at(-1) ?? '') as Seen
}

function environmentOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8')
  } catch {
    return ''
  }
}

/** What a machine without the right to make namespaces answers is for the last test. */
function canUnshare(uid: number): boolean {
  if (process.platform !== 'linux') return false
  const drop = uid === 0 ? [] : ['setpriv', `--reuid=${uid}`, `--regid=${uid}`, '--clear-groups']
  const words = [...drop, 'unshare', ...(uid === 0 ? [] : ['--user', '--map-root-user']), '--mount', '--pid', '--fork', 'true']
  return spawnSync(words[0] ?? '', words.slice(1)).status === 0
}
const users = [0, NOBODY].filter((uid) => (uid === process.getuid?.() || isRoot) && canUnshare(uid))
if (users.length < 2) console.log(`namespaces are tried here only as: ${users.join(', ') || 'nobody'}`)

test.each(users)('as user %i: state and store to write, media to read, all else closed', (uid) => {
  const elsewhere = mkdtempSync('/var/tmp/thatdam-ns-')
  try {
    const paths = lay(elsewhere, uid)
    const file = basename(elsewhere)
    const [ours, store, temporary] = [join(paths.stateDir, file), join(paths.casRoot, file), join('/tmp', file)]
    const closed = [elsewhere, paths.pictures, '/', '/etc', '/usr', '/var/tmp'].map((folder) => join(folder, `${file}.x`))
    const config = { stateDir: paths.stateDir, casRoot: paths.casRoot, indexPaths: [paths.pictures] }
    const attempts = {
      write: [ours, store, temporary, '/dev/null', ...closed, join(paths.stateDir, 'identity.json')],
      access: ['/', '/etc/hosts', '/proc/sys/kernel/hostname', '/sys/kernel', paths.stateDir],
      read: [join(paths.pictures, 'a.jpg'), join(paths.private, 'b.txt'), join(paths.stateDir, 'identity.json')],
    }
    const { could, end, reason } = runAs(uid, { params: { grandchild: 'setsid' }, config, attempts }, { THATDAM_TEST: file })
    for (const path of closed) rmSync(path, { force: true })
    // Nothing is at the key's place: writing to it is writing to /dev/null.
    expect(could.wrote).toEqual([ours, store, temporary, '/dev/null', join(paths.stateDir, 'identity.json')])
    expect(could.access).toEqual([paths.stateDir])
    expect(could.read).toEqual(['a picture', null, ''])
    expect(readFileSync(join(paths.stateDir, 'identity.json'), 'utf8')).toBe('the key')
    expect(could.saw).toEqual([])
    expect(could.uid).toBe(uid)
    // CAP_SYS_ADMIN, the right to undo all this, is bit 21.
    expect(BigInt(`0x${could.capabilities}`) & (1n << 21n)).toBe(0n)
    if (uid !== 0) expect(could.capabilities).toBe('0000000000000000')
    expect(existsSync(temporary)).toBe(false)
    expect(end).toMatch(/^It ended with code 7: .*It starts again in 1 s\.$/)
    expect(reason).toBe('')
    // Of both lives, nothing is left: the first process of a namespace takes all others with it.
    const left = readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && environmentOf(pid).includes(`THATDAM_TEST=${file}`))
    expect(left).toEqual([])
  } finally {
    rmSync(elsewhere, { recursive: true, force: true })
  }
})

test.skipIf(process.platform !== 'linux')('where no sandbox can be made, a service runs as a plain process and says so', () => {
  const uid = process.getuid?.() ?? 0
  const paths = lay(directory, uid)
  // A machine without the tools: only node, nice and a shell are on its PATH.
  const bin = join(directory, 'bin')
  mkdirSync(bin)
  const config = { stateDir: paths.stateDir, casRoot: paths.casRoot, indexPaths: [] }
  const { could, reason } = runAs(uid, { params: {}, config, attempts: { write: [join(directory, 'x')] } }, { PATH: bin })
  expect(could.wrote).toEqual([join(directory, 'x')])
  expect(reason).toBe('Runs as a plain process, as no sandbox can be made here (unshare: not installed; bwrap: not installed).')
})

test('a tool that lets a service out is not used', () => {
  const uid = process.getuid?.() ?? 0
  const paths = lay(directory, uid)
  const bin = join(directory, 'bin')
  mkdirSync(bin)
  // Accepts everything and does nothing: runs what stands after its last "--".
  writeFileSync(join(bin, 'bwrap'), '#!/bin/sh\nwhile [ "$1" != -- ]; do shift; done\nshift\nexec "$@"\n', { mode: 0o755 })
  const config = { stateDir: paths.stateDir, casRoot: paths.casRoot, indexPaths: [] }
  const { reason } = runAs(uid, { params: {}, config, attempts: {} }, { PATH: bin })
  expect(reason).toContain('bwrap: it lets a service write ')
})

test('bubblewrap is told the same', () => {
  const prefix = sandboxPrefix('bwrap', {
    paths: [
      { path: '/state', writable: true, hidden: false },
      { path: '/tmp/media', writable: false, hidden: false },
      { path: '/srv/media', writable: false, hidden: false },
      { path: '/state/identity.json', writable: false, hidden: true },
    ],
    mounts: [],
    user: { uid: 1000, gid: 1000 },
    stage: '/state/sandbox',
  }).join(' ')
  expect(prefix).toMatch(
    /^bwrap --unshare-pid --ro-bind \/ \/ .*--tmpfs \/tmp --bind \/state \/state --ro-bind \/tmp\/media \/tmp\/media --ro-bind \/dev\/null \/state\/identity.json --$/,
  )
})

test('mounts are read with their odd names, and keep what they forbid', () => {
  const [mount] = readMounts(
    String.raw`36 35 98:0 / /mnt/my\040disk\134 rw,nosuid,noexec,noatime shared:1 - ext4 /dev/root rw,errors=continue`,
  )
  expect(mount).toEqual({ path: '/mnt/my disk\\', type: 'ext4', options: ['rw', 'nosuid', 'noexec', 'noatime'] })
  if (mount) expect(readOnlyOptions(mount)).toBe('remount,bind,ro,nosuid,noexec,noatime')
  expect(readOnlyOptions({ path: '/', type: 'ext4', options: ['rw'] })).toBe('remount,bind,ro,strictatime')
})
