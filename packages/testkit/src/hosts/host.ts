import type { ChildProcess, SpawnOptions } from 'node:child_process'

export interface HostsOptions {
  /** Hosts of each subnet: `[5]`, or `[3, 2]` for two subnets joined by a router host. At most 12 in all. */
  readonly subnets: readonly number[]
  /** Host names, which programs in them get for their own (only in namespaces); left out: host0, host1 … */
  readonly names?: readonly string[]
  /** Forces loopback addresses; else chosen by what the machine allows. */
  readonly mode?: 'namespaces' | 'loopback'
}

/** One host of a set. Commands run as root of the machine's file system: each gives its own state directory. */
export interface Host {
  /** Counted through all subnets, from 0. */
  readonly index: number
  readonly name: string
  readonly subnet: number
  address: string
  /** Starts a program in the host. Its standard streams are as `options` say (default: ignored). */
  spawn(file: string, args: readonly string[], options?: SpawnOptions): ChildProcess
  /** Power cut: kill -9 of everything that runs in the host. */
  kill(): Promise<void>
  /** SIGSTOP to everything in the host. */
  pause(): Promise<void>
  resume(): Promise<void>
}

export interface Hosts {
  readonly mode: 'namespaces' | 'loopback'
  /** For people, when not everything can be done: why. Empty with namespaces. */
  readonly notice: string
  readonly hosts: readonly Host[]
  host(index: number): Host
  /** Ends every process and removes everything that was made. */
  down(): Promise<void>
}
