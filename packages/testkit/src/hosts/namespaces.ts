import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { command, ipBatch } from './command.ts'
import type { Host, Hosts } from './host.ts'
import { namespaceName, startTicks } from './names.ts'
import { killAll, removeNamespace, signalAll, sweepStale } from './sweep.ts'

let setsMade = 0

const HOSTS_MAX = 12
/** Partitions that one set can be cut into at a time. */
const SIDES = 4

/**
 * Hosts in network namespaces. Each subnet is a bridge (10.77.<subnet>.0/24, fd77:<subnet>::/64); bridges live in a namespace of their own, so
 * that the machine's own network sees nothing. Several subnets are joined by a router host (.254 of each). Multicast stays in its subnet.
 */
export class NamespaceHosts implements Hosts {
  readonly mode = 'namespaces'
  readonly notice = ''
  readonly hosts: readonly NamespaceHost[]
  /** Null with one subnet. */
  readonly router: string | null
  private readonly bridges: string

  /** @throws Error when the machine does not allow it (no root, no iproute2). */
  static async up(subnets: readonly number[], names: readonly string[] = []): Promise<NamespaceHosts> {
    const count = subnets.reduce((sum, size) => sum + size, 0)
    if (count < 1 || count > HOSTS_MAX || subnets.length > 4)
      throw new RangeError(`1 to ${HOSTS_MAX} hosts in at most 4 subnets, not ${count}`)
    await sweepStale()
    const made = new NamespaceHosts(subnets, names)
    try {
      await made.build(subnets.length)
    } catch (error) {
      await made.down().catch(() => undefined)
      throw error
    }
    return made
  }

  private constructor(subnets: readonly number[], names: readonly string[]) {
    setsMade += 1
    const maker = { pid: process.pid, startTicks: startTicks(process.pid) ?? 0 }
    const name = (what: string) => namespaceName(maker, setsMade, what)
    this.bridges = name('bridge')
    this.router = subnets.length > 1 ? name('router') : null
    this.hosts = subnets
      .flatMap((size, subnet) => Array.from({ length: size }, (_, position) => ({ subnet, address: `10.77.${subnet}.${position + 1}` })))
      .map(
        ({ subnet, address }, index) =>
          new NamespaceHost(index, {
            subnet,
            address,
            namespace: name(`host${index}`),
            bridges: this.bridges,
            name: names[index] ?? `host${index}`,
          }),
      )
  }

  host(index: number): NamespaceHost {
    const host = this.hosts[index]
    if (host === undefined) throw new RangeError(`there is no host ${index}`)
    return host
  }

  async down(): Promise<void> {
    const names = [...this.hosts.map((host) => host.namespace), ...(this.router === null ? [] : [this.router]), this.bridges]
    const results = await Promise.allSettled(names.map(removeNamespace))
    const existing = new Set((await command('ip', ['netns', 'list'])).split('\n').map((line) => line.split(' ')[0]))
    const left = results.filter((result, index) => result.status === 'rejected' && existing.has(names[index]))
    if (left.length > 0) throw new AggregateError(left.map((result) => (result as PromiseRejectedResult).reason))
  }

  /**
   * Cuts the set: hosts of different groups hear nothing of each other, multicast included. Hosts in no group form one together; the router
   * stays with the first group.
   */
  async partition(groups: readonly (readonly number[])[]): Promise<void> {
    if (groups.length > SIDES) throw new RangeError(`at most ${SIDES} groups`)
    const side = (index: number) => {
      const found = groups.findIndex((group) => group.includes(index))
      return found === -1 ? groups.length : found
    }
    const sides = [...new Set(this.hosts.map((host) => side(host.index)))]
    const lines = this.hosts.map((host) => `link set h${host.index} master br${host.subnet}s${sides.length === 1 ? 0 : side(host.index)}`)
    await ipBatch(this.bridges, lines)
  }

  async heal(): Promise<void> {
    await ipBatch(
      this.bridges,
      this.hosts.map((host) => `link set h${host.index} master br${host.subnet}s0`),
    )
  }

  /** `from` can send nothing to `to` any more by unicast, while `to` may still send to it: a one-way fault. */
  async blackhole(from: number, to: number): Promise<void> {
    const address = this.host(to).address
    await ipBatch(this.host(from).namespace, [`route replace blackhole ${address}/32`])
  }

  async unblackhole(from: number, to: number): Promise<void> {
    await ipBatch(this.host(from).namespace, [`route del blackhole ${this.host(to).address}/32`])
  }

  /**
   * Switches that carry no multicast and no broadcast, as many guest and office networks: unicast alone goes on. Neighbours are written down,
   * since nobody can ask for them; call it again after an address changed.
   */
  async blockMulticast(): Promise<void> {
    await ipBatch(
      this.bridges,
      this.hosts.map((host) => `link set h${host.index} type bridge_slave mcast_flood off bcast_flood off`),
    )
    for (const host of this.hosts) {
      const others = this.hosts.filter((other) => other.subnet === host.subnet && other !== host)
      const lines = others.flatMap((other) => other.neighbourLines('eth0'))
      if (this.router !== null)
        lines.push(`neigh replace 10.77.${host.subnet}.254 lladdr ${macOf(host.subnet, 254)} dev eth0 nud permanent`)
      await host.ip(lines)
    }
    if (this.router !== null)
      await ipBatch(
        this.router,
        this.hosts.flatMap((host) => host.neighbourLines(`eth${host.subnet}`)),
      )
  }

  private async build(subnets: number): Promise<void> {
    const all = [...this.hosts.map((host) => host.namespace), ...(this.router === null ? [] : [this.router]), this.bridges]
    await ipBatch(
      null,
      all.map((name) => `netns add ${name}`),
    )
    const numbers = Array.from({ length: subnets }, (_, subnet) => subnet)
    const bridges = numbers.flatMap((subnet) => Array.from({ length: SIDES + 1 }, (_, side) => `br${subnet}s${side}`))
    const routed = this.router
    await ipBatch(this.bridges, [
      'link set lo up',
      ...bridges.flatMap((bridge) => [`link add ${bridge} type bridge mcast_snooping 0`, `link set ${bridge} up`]),
      ...this.hosts.flatMap((host) => [
        `link add h${host.index} type veth peer name eth0 netns ${host.namespace}`,
        `link set h${host.index} master br${host.subnet}s0 up`,
      ]),
      ...numbers.flatMap((subnet) =>
        routed === null
          ? []
          : [`link add r${subnet} type veth peer name eth${subnet} netns ${routed}`, `link set r${subnet} master br${subnet}s0 up`],
      ),
    ])
    if (routed !== null) {
      await inNamespace(routed, 'sysctl', ['-qw', ...numbers.map((subnet) => `net.ipv6.conf.eth${subnet}.accept_dad=0`)])
      await ipBatch(routed, [
        'link set lo up',
        ...numbers.flatMap((subnet) => [
          `addr add 10.77.${subnet}.254/24 broadcast + dev eth${subnet}`,
          `addr add fd77:${subnet}::fe/64 dev eth${subnet} nodad`,
          `link set eth${subnet} address ${macOf(subnet, 254)}`,
          `link set eth${subnet} up`,
        ]),
      ])
      await inNamespace(routed, 'sysctl', ['-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1'])
    }
    await Promise.all(this.hosts.map((host) => host.build(routed !== null)))
  }
}

const macOf = (subnet: number, number: number): string => `02:77:00:00:0${subnet}:${number.toString(16).padStart(2, '0')}`

const inNamespace = (namespace: string, file: string, args: readonly string[]) => command('ip', ['netns', 'exec', namespace, file, ...args])

/** Gives the host its own name, so that agents are told apart by it, then becomes the program. */
const NAMED = 'printf %s "$0" > /proc/sys/kernel/hostname; exec "$@"'

export class NamespaceHost implements Host {
  readonly index: number
  readonly name: string
  readonly subnet: number
  address: string
  readonly namespace: string
  private readonly bridges: string
  private routed = false

  constructor(index: number, at: { subnet: number; address: string; namespace: string; bridges: string; name: string }) {
    this.index = index
    this.name = at.name
    this.subnet = at.subnet
    this.address = at.address
    this.namespace = at.namespace
    this.bridges = at.bridges
  }

  async build(routed: boolean): Promise<void> {
    this.routed = routed
    // IPv6 addresses are usable at once, as on a machine that has been up for a while.
    await inNamespace(this.namespace, 'sysctl', ['-qw', 'net.ipv6.conf.eth0.accept_dad=0', 'net.ipv6.conf.eth0.keep_addr_on_down=1'])
    await ipBatch(this.namespace, [
      'link set lo up',
      `link set eth0 address ${macOf(this.subnet, this.index + 1)}`,
      `addr add ${this.address}/24 broadcast + dev eth0`,
      `addr add fd77:${this.subnet}::${this.index + 1}/64 dev eth0 nodad`,
      'link set eth0 up',
      ...this.routes(),
    ])
  }

  neighbourLines(device: string): string[] {
    const mac = macOf(this.subnet, this.index + 1)
    return [this.address, `fd77:${this.subnet}::${this.index + 1}`].map(
      (ip) => `neigh replace ${ip} lladdr ${mac} dev ${device} nud permanent`,
    )
  }

  spawn(file: string, args: readonly string[], options: SpawnOptions = {}): ChildProcess {
    const inside = ['netns', 'exec', this.namespace, 'unshare', '--uts', 'sh', '-c', NAMED, this.name, file, ...args]
    return spawn('ip', inside, { stdio: 'ignore', ...options })
  }

  /** Runs a tool in the host to its end; its output. */
  run(file: string, args: readonly string[]): Promise<string> {
    return inNamespace(this.namespace, file, args)
  }

  /** Many `ip` commands in the host: further interfaces, routes. */
  async ip(lines: readonly string[]): Promise<void> {
    await ipBatch(this.namespace, lines)
  }

  kill(): Promise<void> {
    return killAll(this.namespace)
  }

  async pause(): Promise<void> {
    await signalAll(this.namespace, 'SIGSTOP')
  }

  async resume(): Promise<void> {
    await signalAll(this.namespace, 'SIGCONT')
  }

  /** Pulls the cable: the host keeps its addresses and sees that nothing is plugged in. */
  async linkDown(): Promise<void> {
    await ipBatch(this.bridges, [`link set h${this.index} down`])
  }

  async linkUp(): Promise<void> {
    await ipBatch(this.bridges, [`link set h${this.index} up`])
  }

  /** Another IPv4 address in its subnet, as from a new DHCP lease. */
  async changeAddress(address: string): Promise<void> {
    await ipBatch(this.namespace, [
      // In this order: what is deleted first takes further addresses of its subnet along.
      `addr del ${this.address}/24 dev eth0`,
      `addr add ${address}/24 broadcast + dev eth0`,
      ...this.routes(),
    ])
    this.address = address
  }

  /** At most `kilobitsPerSecond` in either direction; null: as fast as the machine. */
  async slowLink(kilobitsPerSecond: number | null): Promise<void> {
    for (const [namespace, device] of [
      [this.namespace, 'eth0'],
      [this.bridges, `h${this.index}`],
    ] as const) {
      if (kilobitsPerSecond === null) await command('tc', ['-n', namespace, 'qdisc', 'del', 'dev', device, 'root'])
      else {
        const burst = Math.max(3_000, Math.round((kilobitsPerSecond * 1000) / 8 / 50))
        const rate = ['rate', `${kilobitsPerSecond}kbit`, 'burst', String(burst), 'latency', '400ms']
        await command('tc', ['-n', namespace, 'qdisc', 'replace', 'dev', device, 'root', 'tbf', ...rate])
      }
    }
  }

  private routes(): string[] {
    return this.routed ? [`route replace default via 10.77.${this.subnet}.254`, `route replace ::/0 via fd77:${this.subnet}::fe`] : []
  }
}
