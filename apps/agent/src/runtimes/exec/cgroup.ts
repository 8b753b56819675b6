import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Quotas, ServiceName } from '@thatdam/protocol/plan'
import { BACKGROUND, backgroundCores } from '../runtime.ts'

/*
 * Linux's control groups, version 2: memory and processor limits of a service with all that it starts, and an end that nothing escapes.
 *
 *   <given to us>/                      thatdam.service, Delegate=yes
 *     thatdam-<8 of the state directory's hash>/
 *       agent/                          the agent itself: a group whose children have limits may hold no process
 *       media-api-1/                    one life of a service: memory.max, cpu.weight
 *       background/                     cpu.max: what the plan's cpuReservePercent leaves, for all below together
 *         indexer-2/
 *
 * Only a group that is ours is used: a unit or scope named thatdam*, or whatever we are in where no systemd rules. Everything here is
 * best effort: without it a service has nice, its process group and the watchdog.
 */

const PERIOD_MICROS = 100_000
const EMPTY_WITHIN_MS = 2_000
const CONTROLLERS = ['cpu', 'memory']
const WEIGHT = { background: 20, normal: 100, capture: 400 } as const

/** What the kernel says of this process, and whether systemd rules the tree. */
export interface CgroupFacts {
  readonly mountinfo: string
  readonly cgroup: string
  readonly systemd: boolean
}

export function readCgroupFacts(): CgroupFacts {
  return {
    mountinfo: readFileSync('/proc/self/mountinfo', 'utf8'),
    cgroup: readFileSync('/proc/self/cgroup', 'utf8'),
    systemd: existsSync('/run/systemd/system'),
  }
}

/** The folder of the group that was given to us; null: there is none, or it is another's. */
export function delegatedFolder(facts: CgroupFacts): string | null {
  const path = /^0::(\/.*)$/m.exec(facts.cgroup)?.[1]
  const mount = facts.mountinfo
    .split('\n')
    .map((line) => line.split(' '))
    .find((fields) => fields[fields.indexOf('-') + 1] === 'cgroup2')
  const [root, point] = [mount?.[3], mount?.[4]]
  if (path === undefined || root === undefined || point === undefined) return null
  const ours = path.replace(/\/thatdam-[0-9a-f]{8}\/agent$/, '') || '/'
  if (facts.systemd && !/\/thatdam[^/]*\.(service|scope)$/.test(ours)) return null
  if (root !== '/' && !ours.startsWith(root)) return null
  return join(point, root === '/' ? ours : ours.slice(root.length)).replace(/\/$/, '')
}

export interface ServiceLimits {
  readonly name: ServiceName
  readonly memoryMaxBytes: number
}

export class CgroupTree {
  /** Everything of this agent is below. */
  readonly folder: string
  private readonly background: string
  private readonly controllers: ReadonlySet<string>
  private lives = 0

  private constructor(own: string, controllers: ReadonlySet<string>) {
    this.folder = own
    this.background = join(own, 'background')
    this.controllers = controllers
  }

  /**
   * Ends what an agent before us left. `ownName`: `thatdam-` and 8 hex digits of this agent.
   * @throws an error of the file system where groups cannot be made.
   */
  static open(base: string, ownName: string): CgroupTree {
    const own = join(base, ownName)
    mkdirSync(own, { recursive: true })
    sweep(own)
    const offered = readFileSync(join(base, 'cgroup.controllers'), 'utf8').trim().split(' ')
    const wanted = CONTROLLERS.filter((name) => offered.includes(name))
    const controllers = new Set(wanted.length > 0 && passDown(base, own, wanted) ? wanted : [])
    const tree = new CgroupTree(own, controllers)
    mkdirSync(tree.background, { recursive: true })
    if (controllers.size > 0) {
      allow(own, wanted)
      allow(tree.background, wanted)
    }
    if (controllers.has('cpu')) writeFileSync(join(tree.background, 'cpu.weight'), `${WEIGHT.background}`)
    return tree
  }

  /** Memory or processor can be limited here. */
  get limits(): boolean {
    return this.controllers.size > 0
  }

  /** For the log: what is bounded here. */
  get describes(): string {
    return !this.limits ? 'ends services whole, without limits' : `limits ${[...this.controllers].join(' and ')}`
  }

  quotas(quotas: Quotas): void {
    if (!this.controllers.has('cpu')) return
    const cores = backgroundCores(availableParallelism(), quotas)
    const share = quotas.cpuReservePercent === 0 ? 'max' : `${Math.max(1_000, Math.round(cores * PERIOD_MICROS))}`
    writeFileSync(join(this.background, 'cpu.max'), `${share} ${PERIOD_MICROS}`)
  }

  /** Takes the empty groups away; where we moved, we stay. */
  close(): void {
    removed(this.background)
    removed(this.folder)
  }

  /** A new, empty group for one life of a service. */
  make(limits: ServiceLimits): ServiceCgroup {
    const isBackground = BACKGROUND.has(limits.name)
    const path = join(isBackground ? this.background : this.folder, `${limits.name}-${++this.lives}`)
    mkdirSync(path)
    if (this.controllers.has('memory')) writeFileSync(join(path, 'memory.max'), `${limits.memoryMaxBytes}`)
    if (this.controllers.has('cpu') && !isBackground) {
      writeFileSync(join(path, 'cpu.weight'), `${limits.name === 'capture-daemon' ? WEIGHT.capture : WEIGHT.normal}`)
    }
    return new ServiceCgroup(path)
  }
}

export class ServiceCgroup {
  readonly path: string

  constructor(path: string) {
    this.path = path
  }

  /** Before a command: a shell that enters the group and then becomes the command, so that nothing of it ever runs outside. */
  get prefix(): readonly string[] {
    return ['/bin/sh', '-c', 'echo $$ >"$0"; exec "$@"', join(this.path, 'cgroup.procs')]
  }

  /** Ends all that is in it, whatever sessions and process groups they made. Kernels before 5.14 have no one word for it. */
  kill(): void {
    if (tryTo(() => writeFileSync(join(this.path, 'cgroup.kill'), '1'))) return
    for (const pid of readOr(join(this.path, 'cgroup.procs'), '').split('\n').filter(Boolean)) {
      tryTo(() => process.kill(Number(pid), 'SIGKILL'))
    }
  }

  /** How many of its processes the kernel ended for want of memory. */
  memoryKills(): number {
    const events = readOr(join(this.path, 'memory.events'), '')
    return Number(/^oom_kill (\d+)$/m.exec(events)?.[1] ?? 0)
  }

  /** Kills what is left, waits until it is gone, and takes the group away. */
  async end(): Promise<void> {
    const endsAtMs = Date.now() + EMPTY_WITHIN_MS
    this.kill()
    for (;;) {
      const populated = isPopulated(this.path)
      if (removed(this.path) || !populated || Date.now() > endsAtMs) return
      await delay(2)
      this.kill()
    }
  }
}

/** Controllers reach a group's children only when the group itself holds no process: if it must be, we move one level down. */
function passDown(base: string, own: string, wanted: readonly string[]): boolean {
  if (allow(base, wanted)) return true
  const agent = join(own, 'agent')
  mkdirSync(agent, { recursive: true })
  if (!tryTo(() => writeFileSync(join(agent, 'cgroup.procs'), `${process.pid}`))) return false
  if (allow(base, wanted)) return true
  // Others are in it too, a shell for one: it stays as it was.
  tryTo(() => writeFileSync(join(base, 'cgroup.procs'), `${process.pid}`))
  return false
}

function allow(folder: string, controllers: readonly string[]): boolean {
  return tryTo(() => writeFileSync(join(folder, 'cgroup.subtree_control'), controllers.map((name) => `+${name}`).join(' ')))
}

function sweep(own: string): void {
  const left = groupsBelow(own).flatMap((folder) => (folder.endsWith('/background') ? groupsBelow(folder) : [folder]))
  for (const folder of left) {
    new ServiceCgroup(folder).kill()
    removed(folder)
  }
}

function groupsBelow(folder: string): string[] {
  const entries = readdirSync(folder, { withFileTypes: true })
  return entries.filter((entry) => entry.isDirectory() && entry.name !== 'agent').map(({ name }) => join(folder, name))
}

const isPopulated = (folder: string): boolean => /^populated 1$/m.test(readOr(join(folder, 'cgroup.events'), ''))

const removed = (folder: string): boolean => tryTo(() => rmdirSync(folder)) || !existsSync(folder)

function readOr(path: string, otherwise: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return otherwise
  }
}

function tryTo(act: () => void): boolean {
  try {
    act()
    return true
  } catch {
    return false
  }
}
