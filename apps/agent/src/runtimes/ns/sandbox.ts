import { join, posix } from 'node:path'
import { isWithin, type OpenPath } from '../open-paths.ts'
import { readOnlyOptions, type Mount } from './mounts.ts'

/*
 * A service's view of the machine: everything read-only, a /tmp of its own, its own processes only; its state and the store to write. The
 * network is the machine's. Made by `unshare` of util-linux, or where that may not, by bubblewrap, which distributions allow more often.
 *
 *   as root    mount and process namespace; then all capabilities go but those that reading other users' media needs
 *   as a user  a user namespace in which we are root for the mounts, and inside it one in which we are the user again, without any rights
 */

export interface SandboxOptions {
  readonly paths: readonly OpenPath[]
  /** Of the machine, as the agent sees them. */
  readonly mounts: readonly Mount[]
  /** Null: root. */
  readonly user: { readonly uid: number; readonly gid: number } | null
  /** An empty folder of ours in the state directory: the new /tmp is put together there. */
  readonly stage: string
}

export type Tool = 'unshare' | 'bwrap'

const ROOT_CAPABILITIES = ['chown', 'dac_override', 'dac_read_search', 'fowner', 'kill', 'setgid', 'setuid']
const TMP = '/tmp'
/** Mounts that hold nothing to write: what is mounted by them has a line of its own. */
const NO_FILES = new Set(['autofs', 'nsfs'])
/** The exit code of a sandbox that could not be made as it must be. */
const NO_SANDBOX = 71

/** The words before a command that put it into the sandbox. */
export const sandboxPrefix = (tool: Tool, options: SandboxOptions): string[] =>
  tool === 'unshare' ? unsharePrefix(options) : bwrapPrefix(options)

function unsharePrefix(options: SandboxOptions): string[] {
  const asUser = options.user === null ? [] : ['--user', '--map-root-user']
  const namespaces = ['unshare', ...asUser, '--mount', '--propagation', 'slave', '--pid', '--fork', '--kill-child']
  return [...namespaces, '/bin/sh', '-c', script(options), 'thatdam-sandbox', ...dropPrefix(options.user)]
}

function dropPrefix(user: SandboxOptions['user']): string[] {
  if (user === null) {
    const bounds = ['-all', ...ROOT_CAPABILITIES.map((name) => `+${name}`)].join(',')
    return ['setpriv', '--no-new-privs', '--inh-caps=-all', `--bounding-set=${bounds}`, '--']
  }
  return ['unshare', '--user', `--map-user=${user.uid}`, `--map-group=${user.gid}`, '--', 'setpriv', '--no-new-privs', '--']
}

/** The shell stays as the first process of its namespace: it fetches orphans, and all that is left ends with it. */
function script({ paths, mounts, user, stage }: SandboxOptions): string {
  const inTmp = paths.filter(({ path, hidden }) => !hidden && isWithin(TMP, path))
  const writable = paths.filter((one) => one.writable && !isWithin(TMP, one.path))
  const readOnly = mounts.filter(({ path, type, options }) => {
    const ours = writable.some((one) => isWithin(one.path, path)) || isWithin(TMP, path) || isWithin('/proc', path)
    return !ours && !NO_FILES.has(type) && !options.includes('ro')
  })
  return [
    'set -e',
    // Where the machine hides parts of /proc, a user may not have one of their own: it then sees the machine's.
    user === null ? 'mount -t proc proc /proc' : 'mount -t proc proc /proc 2>/dev/null || true',
    ...(user === null ? lockProc() : []),
    `mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs ${quoted(stage)}`,
    ...inTmp.flatMap(({ path }) => putAt(path, posix.join(stage, path.slice(TMP.length)))),
    ...writable.map(({ path }) => `mount --rbind ${quoted(path)} ${quoted(path)}`),
    ...readOnly.map((mount) => {
      const path = quoted(mount.path)
      // One that cannot be reached cannot be written either.
      return `mount -o ${readOnlyOptions(mount)} ${path} 2>/dev/null || [ ! -w ${path} ] || { echo "${NO_SANDBOX}: cannot be made read-only:" ${path} >&2; exit ${NO_SANDBOX}; }`
    }),
    `mount --rbind ${quoted(stage)} ${TMP}`,
    ...inTmp.filter((one) => !one.writable).map(({ path }) => `mount -o remount,bind,ro ${quoted(path)}`),
    ...paths.filter((one) => one.hidden).map(({ path }) => `mount --bind /dev/null ${quoted(path)}`),
    '[ ! -d /dev/shm ] || mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs /dev/shm',
    // The command may fail; its code is the sandbox's.
    'set +e',
    '"$@"',
    'exit $?',
  ].join('\n')
}

/** Root is not limited by rights of files: what changes the machine is made read-only. */
function lockProc(): string[] {
  return ['/proc/sys', '/proc/sysrq-trigger'].map(
    (path) => `if [ -e ${path} ]; then mount --bind ${path} ${path}; mount -o remount,bind,ro ${path}; fi`,
  )
}

function putAt(path: string, target: string): string[] {
  const [to, from] = [quoted(target), quoted(path)]
  return [
    `if [ -d ${from} ]; then mkdir -p ${to}; else mkdir -p ${quoted(posix.dirname(target))}; [ -e ${to} ] || : >${to}; fi`,
    `mount --rbind ${from} ${to}`,
  ]
}

function bwrapPrefix({ paths, user }: SandboxOptions): string[] {
  const binds = paths.flatMap(({ path, writable, hidden }) =>
    hidden ? ['--ro-bind', '/dev/null', path] : writable ? ['--bind', path, path] : isWithin(TMP, path) ? ['--ro-bind', path, path] : [],
  )
  const capabilities = ['--cap-drop', 'ALL', ...ROOT_CAPABILITIES.flatMap((name) => ['--cap-add', `cap_${name}`])]
  const view = ['--ro-bind', '/', '/', '--dev-bind', '/dev', '/dev', '--tmpfs', '/dev/shm', '--proc', '/proc', '--tmpfs', TMP]
  return ['bwrap', '--unshare-pid', ...view, ...binds, ...(user === null ? capabilities : []), '--']
}

const quoted = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`

/** A folder in the state directory for putting the new /tmp together. */
export const stageIn = (stateDir: string): string => join(stateDir, 'sandbox')
