import { type RemoteInfo, type Socket, createSocket } from 'node:dgram'
import { ThatdamError } from '@thatdam/protocol/errors'
import { type LocalAddress, type NetworkWatch, broadcastOf, callingAddresses } from './interfaces.ts'

/** IPv6 multicast group on one link; the last 32 bits spell "tdam". */
export const IPV6_GROUP = 'ff12::7464:616d'

export interface UdpPortOptions {
  readonly port: number
  /** Only this IPv4 address, and no broadcast: for several nodes on one machine. Null: every address of both families. */
  readonly bindAddress: string | null
  readonly network: NetworkWatch
}

/** What IPv6 multicast calls an interface. */
const zone = (local: LocalAddress): string => (process.platform === 'win32' ? String(local.zone) : local.interfaceName)

/** `address` may carry an IPv6 zone: `fe80::1%eth0`. */
export interface Endpoint {
  readonly address: string
  readonly port: number
}

/**
 * The one UDP port of a node. Discovery and membership share it: each listens for datagrams that begin with its own four bytes.
 * A send never throws and is never repeated; one that fails for want of a route makes the network be looked at again.
 */
export class UdpPort {
  readonly port: number
  private readonly options: UdpPortOptions
  private sockets: { readonly ipv4: Socket | null; readonly ipv6: Socket | null } = { ipv4: null, ipv6: null }
  private readonly listeners = new Map<string, Set<(bytes: Buffer, from: Endpoint) => void>>()
  private joined = new Set<string>()
  private forget: (() => void) | null = null
  /** Since the start, both directions. */
  readonly counts = { sent: 0, received: 0, foreign: 0 }

  constructor(options: UdpPortOptions) {
    this.options = options
    this.port = options.port
  }

  get isOpen(): boolean {
    return this.sockets.ipv4 !== null || this.sockets.ipv6 !== null
  }

  /** @throws ThatdamError when no family can be bound. */
  async start(): Promise<void> {
    const { bindAddress, port } = this.options
    const [ipv4, ipv6] = await Promise.allSettled([
      this.open('udp4', bindAddress ?? '0.0.0.0'),
      bindAddress === null ? this.open('udp6', '::') : Promise.reject(new Error('IPv4 only')),
    ])
    this.sockets = {
      ipv4: ipv4.status === 'fulfilled' ? ipv4.value : null,
      ipv6: ipv6.status === 'fulfilled' ? ipv6.value : null,
    }
    if (ipv4.status === 'rejected' && ipv6.status === 'rejected')
      throw new ThatdamError(
        'UNAVAILABLE',
        `UDP port ${port} cannot be opened, so other machines cannot be found by it. Another program may hold it: end that program, or choose another port.`,
        { cause: ipv4.reason },
      )
    this.joinGroups()
    this.forget = this.options.network.onChange(() => this.joinGroups())
  }

  async stop(): Promise<void> {
    this.forget?.()
    this.forget = null
    const { ipv4, ipv6 } = this.sockets
    // A send hands its bytes over in the next tick: the good-byes still leave.
    await new Promise((resolve) => setImmediate(resolve))
    this.sockets = { ipv4: null, ipv6: null }
    this.joined = new Set()
    for (const socket of [ipv4, ipv6]) if (socket) await new Promise<void>((resolve) => socket.close(() => resolve()))
  }

  /** @param magic the first four bytes of the datagrams wanted. @returns how to stop listening. */
  onDatagram(magic: string, listener: (bytes: Buffer, from: Endpoint) => void): () => void {
    const listeners = this.listeners.get(magic) ?? new Set()
    this.listeners.set(magic, listeners.add(listener))
    return () => void listeners.delete(listener)
  }

  send(bytes: Uint8Array, to: Endpoint): void {
    const socket = to.address.includes(':') ? this.sockets.ipv6 : this.sockets.ipv4
    if (socket === null) return
    this.counts.sent += 1
    try {
      socket.send(bytes, to.port, to.address, (error) => error && this.sendFailed(error))
    } catch (error) {
      this.sendFailed(error)
    }
  }

  /** To everybody on the links of this machine: IPv4 broadcast of each subnet, IPv6 multicast on each interface. */
  callOut(bytes: Uint8Array): void {
    if (this.options.bindAddress !== null) return
    const calling = callingAddresses(this.options.network.current)
    for (const address of new Set(calling.map(broadcastOf))) if (address !== null) this.send(bytes, { address, port: this.port })
    for (const name of this.zones(calling)) this.send(bytes, { address: `${IPV6_GROUP}%${name}`, port: this.port })
  }

  private zones(locals: readonly LocalAddress[]): Set<string> {
    return new Set(locals.filter((local) => local.family === 'ipv6').map(zone))
  }

  private open(type: 'udp4' | 'udp6', address: string): Promise<Socket> {
    return new Promise((resolve, reject) => {
      const socket = createSocket({ type, ipv6Only: type === 'udp6' })
      socket.once('error', reject)
      socket.bind(this.options.port, address, () => {
        socket.off('error', reject)
        socket.on('error', (error) => this.sendFailed(error))
        socket.on('message', (bytes, from) => this.received(bytes, from))
        if (type === 'udp4') socket.setBroadcast(true)
        resolve(socket)
      })
    })
  }

  private received(bytes: Buffer, from: RemoteInfo): void {
    this.counts.received += 1
    const listeners = this.listeners.get(bytes.toString('latin1', 0, 4))
    if (listeners === undefined) this.counts.foreign += 1
    else for (const listener of listeners) listener(bytes, { address: from.address, port: from.port })
  }

  /** Memberships end with their interface, so a zone that came back is joined again. */
  private joinGroups(): void {
    const { ipv6 } = this.sockets
    if (ipv6 === null) return
    const zones = this.zones(callingAddresses(this.options.network.current))
    for (const name of zones) {
      if (this.joined.has(name)) continue
      try {
        ipv6.addMembership(IPV6_GROUP, `::%${name}`)
      } catch {
        // Still joined from before, or an interface without multicast: broadcast and the other methods remain.
      }
    }
    this.joined = zones
  }

  private sendFailed(error: unknown): void {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'ENETUNREACH' || code === 'EADDRNOTAVAIL' || code === 'ENETDOWN') this.options.network.look()
  }
}
