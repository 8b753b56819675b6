import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { readFileSync, readdirSync } from 'node:fs'
import { until } from './command.ts'
import { inheritedEnvironment } from './env.ts'
import type { Host, Hosts } from './host.ts'

const MARK = 'THATDAM_TEST_HOST'
let setsMade = 0

/**
 * Hosts that are only addresses of this machine, 127.<by process>.<n>, for where namespaces are not allowed. Programs must listen on their host's
 * address alone; there is no multicast, and links cannot be cut: put a relay between (relay.ts). Only Linux has all of 127/8 without more ado.
 */
export class LoopbackHosts implements Hosts {
  readonly mode = 'loopback'
  readonly notice: string
  readonly hosts: readonly LoopbackHost[]

  constructor(count: number, why: string) {
    setsMade += 1
    this.notice = `Hosts are loopback addresses, found by static hints, without multicast and cable faults: ${why}`
    this.hosts = Array.from({ length: count }, (_, index) => new LoopbackHost(index, setsMade))
  }

  host(index: number): LoopbackHost {
    const host = this.hosts[index]
    if (host === undefined) throw new RangeError(`there is no host ${index}`)
    return host
  }

  async down(): Promise<void> {
    await Promise.all(this.hosts.map((host) => host.kill()))
  }
}

class LoopbackHost implements Host {
  readonly index: number
  readonly name: string
  readonly subnet = 0
  readonly address: string
  private readonly mark: string
  private readonly children = new Set<ChildProcess>()

  constructor(index: number, set: number) {
    this.index = index
    this.name = `host${index}`
    // Tests of other processes have other addresses.
    this.address = `127.${64 + ((process.pid >> 8) % 128)}.${process.pid % 256}.${(set % 20) * 12 + index + 1}`
    this.mark = `${process.pid}-${set}-${index}`
  }

  spawn(file: string, args: readonly string[], options: SpawnOptions = {}): ChildProcess {
    const env = { ...(options.env ?? inheritedEnvironment()), [MARK]: this.mark }
    const child = spawn(file, [...args], { stdio: 'ignore', ...options, env, detached: true })
    this.children.add(child)
    child.once('exit', () => this.children.delete(child))
    return child
  }

  kill(): Promise<void> {
    return until(`${this.name} is empty`, () => this.signal('SIGKILL') === 0)
  }

  async pause(): Promise<void> {
    this.signal('SIGSTOP')
  }

  async resume(): Promise<void> {
    this.signal('SIGCONT')
  }

  /** To every process that was started here or by one of those, also when it left its group. */
  private signal(signal: NodeJS.Signals): number {
    const groups = [...this.children].flatMap((child) => (child.pid === undefined ? [] : [-child.pid]))
    const pids = [...new Set([...marked(this.mark), ...groups])]
    return pids.filter((pid) => {
      try {
        return process.kill(pid, signal)
      } catch {
        return false
      }
    }).length
  }
}

function marked(mark: string): number[] {
  if (process.platform !== 'linux') return []
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0').includes(`${MARK}=${mark}`)
      } catch {
        return false
      }
    })
    .map(Number)
}
