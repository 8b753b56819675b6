import { mkdirSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { ClusterFile } from '@thatdam/protocol/cluster'
import type { Host, Hosts } from '../hosts/host.ts'
import type { NamespaceHosts } from '../hosts/namespaces.ts'
import { upHosts } from '../hosts/up.ts'
import { loadProfile, type ProfileName } from '../profiles/load.ts'
import { CLUSTER_ID } from '../profiles/machine.ts'
import { faketimeLibrary } from './clock.ts'
import { foundRing } from './found.ts'
import { RingMachine } from './machine.ts'
import { AGENT_DIST, releasesDir, STAND_IN_CONSOLE } from './program.ts'
import { settledOf, type Settled } from './settled.ts'

export interface RingOptions {
  /** One machine each. */
  readonly profiles: readonly ProfileName[]
  /** Everything of this ring lies below. */
  readonly directory: string
  /** `stand-in`: a console that only answers (default); `real`: the packed one, with its database. */
  readonly console?: 'real' | 'stand-in'
  /** Folder with thatdam.cjs; left out: the built agent. */
  readonly agentDist?: string
  /** Hosts after those of the machines, for other programs of a test. */
  readonly spareHosts?: number
  /** Wall clocks can be set. Needs libfaketime. */
  readonly hasClocks?: boolean
  readonly mode?: 'namespaces' | 'loopback'
  /** They are one ring already (default), or each alone and unclaimed as after installing. */
  readonly joined?: boolean
  /** Given to every agent, or to one profile's. */
  readonly environment?: Readonly<Record<string, string>>
  readonly environmentOf?: Readonly<Partial<Record<ProfileName, Readonly<Record<string, string>>>>>
}

export interface SettleOptions {
  /** Who should be awake and see each other; left out: all that are on. */
  readonly among?: readonly RingMachine[]
  readonly limitMs?: number
}

const SETTLE_LIMIT_MS = 60_000
/** Each machine is asked about this often. */
const LOOK_MS = 150

/** They did not come to rest in time. */
export class NotSettled extends Error {}

/** Real agents in hosts of their own, not yet started. */
export class TestRing {
  readonly hosts: Hosts
  readonly machines: readonly RingMachine[]

  static async up(options: RingOptions): Promise<TestRing> {
    const hosts = await upHosts({
      subnets: [options.profiles.length + (options.spareHosts ?? 0)],
      names: options.profiles,
      ...(options.mode === undefined ? {} : { mode: options.mode }),
    })
    try {
      const ports = hosts.mode === 'loopback' ? await freePorts(options.profiles.length * 2) : []
      return new TestRing(hosts, options, ports)
    } catch (error) {
      await hosts.down()
      throw error
    }
  }

  private constructor(hosts: Hosts, options: RingOptions, ports: readonly number[]) {
    this.hosts = hosts
    const shared = {
      ...(options.console === 'real' ? { RELEASES_DIR: releasesDir() } : { CONSOLE_DIR: STAND_IN_CONSOLE }),
      ...options.environment,
    }
    const nodePorts = ports.slice(options.profiles.length)
    this.machines = options.profiles.map((profile, index) => {
      const host = hosts.host(index)
      const directory = join(options.directory, profile)
      mkdirSync(directory, { recursive: true })
      const places =
        hosts.mode === 'namespaces' ? {} : loopbackEnvironment({ service: ports[index] ?? 0, nodes: nodePorts, host, hosts: hosts.hosts })
      return new RingMachine({
        profile,
        host,
        directory,
        agentDist: options.agentDist ?? AGENT_DIST,
        hasClock: options.hasClocks === true && faketimeLibrary() !== null,
        environment: { ...shared, ...places, ...options.environmentOf?.[profile] },
      })
    })
    if (options.joined !== false) foundRing(this.machines, CLUSTER_ID)
  }

  /** @throws RangeError when there is none of this name. */
  machine(name: string): RingMachine {
    const found = this.machines.find((machine) => machine.name === name)
    if (found === undefined) throw new RangeError(`there is no machine ${name}`)
    return found
  }

  get running(): readonly RingMachine[] {
    return this.machines.filter((machine) => machine.power === 'on')
  }

  /** For cables and partitions, which only namespaces have. @throws Error where there are none. */
  get network(): NamespaceHosts {
    if (this.hosts.mode !== 'namespaces') throw new Error(`This needs network namespaces. ${this.hosts.notice}`)
    return this.hosts as NamespaceHosts
  }

  /** What each of these says now; null: it does not answer. */
  async views(among: readonly RingMachine[] = this.running): Promise<Map<string, ClusterFile | null>> {
    return new Map(await Promise.all(among.map(async (machine) => [machine.name, await machine.cluster()] as const)))
  }

  /**
   * Waits until these machines are one ring at rest.
   * @throws NotSettled that says what they disagreed on at last.
   */
  async settled({ among = this.running, limitMs = SETTLE_LIMIT_MS }: SettleOptions = {}): Promise<Settled> {
    const needsLeader = among.some((machine) => loadProfile(machine.name).powerClass !== 'zero')
    const endMs = performance.now() + limitMs
    for (;;) {
      const found = settledOf(await this.views(among), needsLeader)
      if (typeof found !== 'string') return found
      if (performance.now() > endMs) throw new NotSettled(`not settled within ${limitMs} ms: ${found}`)
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
    }
  }

  /** Cuts the network between groups; whoever is in none forms one more. */
  async cut(groups: readonly (readonly RingMachine[])[]): Promise<void> {
    await this.network.partition(groups.map((group) => group.map((machine) => machine.host.index)))
  }

  async heal(): Promise<void> {
    await this.network.heal()
  }

  async linkDown(machine: RingMachine): Promise<void> {
    await this.network.host(machine.host.index).linkDown()
  }

  async linkUp(machine: RingMachine): Promise<void> {
    await this.network.host(machine.host.index).linkUp()
  }

  /** At most this rate in either direction; null: as fast as the machine. */
  async slow(machine: RingMachine, kilobitsPerSecond: number | null): Promise<void> {
    await this.network.host(machine.host.index).slowLink(kilobitsPerSecond)
  }

  /** Power cut of all at once, and everything that was made on the machine is removed. The directory stays with whoever gave it. */
  async down(): Promise<void> {
    await Promise.allSettled(this.machines.map((machine) => machine.powerCut()))
    await this.hosts.down()
  }
}

/** Only Linux has all of 127/8 without more ado. */
const addressOf = (host: Host): string => (process.platform === 'linux' ? host.address : '127.0.0.1')

/** Without namespaces all agents share one machine: ports of their own, and told where the others are, since nothing can be found by multicast. */
function loopbackEnvironment(at: { service: number; nodes: readonly number[]; host: Host; hosts: Hosts['hosts'] }): Record<string, string> {
  const others = at.hosts.filter((host) => host.index !== at.host.index && host.index < at.nodes.length)
  return {
    SERVICE_PORT: String(at.service),
    NODE_API_PORT: String(at.nodes[at.host.index] ?? 0),
    NODE_API_BIND: addressOf(at.host),
    DISCOVERY_BACKEND: 'gossip',
    ...(others.length === 0 ? {} : { GOSSIP_JOIN: others.map((host) => `${addressOf(host)}:${at.nodes[host.index] ?? 0}`).join(',') }),
  }
}

/** Ports that were free a moment ago, each another. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer())
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve, reject) => {
          server.once('error', reject)
          server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port))
        }),
    ),
  )
  await Promise.all(servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve()))))
  return ports
}
