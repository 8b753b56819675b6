import fs from 'node:fs'
import path from 'node:path'
import type { Finding } from '@thatdam/protocol/doctor'
import type { V4l2Node } from '../facts/cameras/v4l2.ts'
import { listFolder, readSmall } from '../facts/tool.ts'
import { fail, ok, reasonOf, warn } from './finding.ts'

const NAME = 'Camera'
const PROCESSES_MAX = 4096

export interface Account {
  readonly uid: number
  readonly gids: readonly number[]
  readonly name: string
}

/** One camera: there, open to the account that the agent runs as, and used by nobody else. */
export async function cameraFinding(node: V4l2Node, { agentPid, root }: { agentPid: number | null; root: string }): Promise<Finding> {
  const file = path.join(root, node.node)
  const stat = await fs.promises.stat(file).catch((error: unknown) => reasonOf(error))
  if (stat === 'ENOENT')
    return warn(
      NAME,
      `${node.name} is there, but ${node.node} is not (a container?).`,
      `Give the container that device: --device ${node.node}`,
    )
  const account = agentPid === null ? null : await accountOf(agentPid)
  const mayOpen =
    typeof stat === 'string' ? false : account && account.uid !== process.getuid?.() ? grants(stat, account) : await opens(file)
  if (!mayOpen) {
    const name = account?.name ?? (await userName(process.getuid?.() ?? 0))
    return fail(
      NAME,
      `${node.name} (${node.node}) may not be opened by ${name}.`,
      `sudo usermod -aG video ${name}, then restart the machine (a new group counts from the next sign-in on)`,
    )
  }
  const holders = await holdersOf(node.node)
  const others = await strangers(holders, agentPid)
  if (others.length === 0) return ok(NAME, `${node.name} (${node.node}) can be opened.`)
  return warn(
    NAME,
    `${node.name} (${node.node}) is in use by ${others.map(({ program, pid }) => `${program} (process ${pid})`).join(', ')}: only one program gets its picture.`,
    `Close it there, or: kill ${others[0]?.pid}. The agent then takes the camera by itself.`,
  )
}

const opens = (file: string) =>
  fs.promises.access(file, fs.constants.R_OK | fs.constants.W_OK).then(
    () => true,
    () => false,
  )

/** By owner, group and mode; an access list that a desktop session added counts for its own user, who is asked by `opens`. */
export function grants(stat: Pick<fs.Stats, 'uid' | 'gid' | 'mode'>, { uid, gids }: Account): boolean {
  if (uid === 0) return true
  const shift = stat.uid === uid ? 6 : gids.includes(stat.gid) ? 3 : 0
  return ((stat.mode >> shift) & 6) === 6
}

/** Account and groups of a running process. */
async function accountOf(pid: number): Promise<Account | null> {
  const status = await readSmall(`/proc/${pid}/status`)
  const numbers = (name: string) =>
    (new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(status ?? '')?.[1] ?? '').split(/\s+/).filter(Boolean).map(Number)
  const [uid] = numbers('Uid')
  if (uid === undefined) return null
  return { uid, gids: [...numbers('Gid').slice(0, 1), ...numbers('Groups')], name: await userName(uid) }
}

async function userName(uid: number): Promise<string> {
  const line = ((await readSmall('/etc/passwd')) ?? '').split('\n').find((entry) => entry.split(':')[2] === String(uid))
  return line?.split(':')[0] ?? String(uid)
}

interface Process {
  readonly pid: number
  readonly program: string
}

/** Processes that have the device open, as far as this user may look (root: all). */
export async function holdersOf(device: string): Promise<Process[]> {
  const pids = (await listFolder('/proc')).filter((name) => /^\d+$/.test(name)).slice(0, PROCESSES_MAX)
  const found = await Promise.all(
    pids.map(async (pid): Promise<Process[]> => {
      for (const fd of await listFolder(`/proc/${pid}/fd`)) {
        const target = await fs.promises.readlink(`/proc/${pid}/fd/${fd}`).catch(() => '')
        if (target === device) return [{ pid: Number(pid), program: (await readSmall(`/proc/${pid}/comm`)) ?? `process ${pid}` }]
      }
      return []
    }),
  )
  return found.flat()
}

/** Without those that the agent itself started. */
async function strangers(holders: readonly Process[], agentPid: number | null): Promise<Process[]> {
  const checked = await Promise.all(holders.map(async (holder) => ({ holder, ours: await descends(holder.pid, agentPid) })))
  return checked.filter(({ ours }) => !ours).map(({ holder }) => holder)
}

async function descends(pid: number, ancestor: number | null): Promise<boolean> {
  for (let at = pid, steps = 0; at > 1 && steps < 32; steps += 1) {
    if (at === ancestor) return true
    const stat = (await readSmall(`/proc/${at}/stat`)) ?? ''
    // The name in brackets may hold blanks and brackets itself.
    at = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1] ?? 0)
  }
  return false
}
