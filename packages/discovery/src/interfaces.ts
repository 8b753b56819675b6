import os from 'node:os'
import type { NetInterface } from '@thatdam/protocol/facts'

export type Scope = NetInterface['scope']

/** One address of this machine. */
export interface LocalAddress {
  readonly interfaceName: string
  readonly address: string
  readonly family: 'ipv4' | 'ipv6'
  readonly scope: Scope
  /** Bits of the subnet; 32 or 128 when the system does not tell. */
  readonly prefixLength: number
  /** Number that IPv6 multicast wants on Windows; 0 for IPv4. */
  readonly zone: number
}

/** Bridges, pairs and switches of containers and virtual machines. A plain `br0` may carry the LAN, so it is none. */
const VIRTUAL =
  /^(docker|br-|veth|virbr|vmnet|vboxnet|lxc|lxdbr|cni|flannel|cali|podman|dummy|ifb|bridge1\d\d|vEthernet|VirtualBox|VMware)/i
const VPN = /^(tailscale|wg|tun|tap|utun|ppp|zt|nordlynx|ipsec|wireguard|openvpn|proton)/i

/** Scope of one address: what the address says goes before what the interface's name says. 100.64/10 is Tailscale's (and of carriers, who give it to no LAN). */
export function scopeOf(name: string, address: string, internal: boolean): Scope {
  if (internal) return 'loopback'
  if (address.startsWith('169.254.') || /^fe[89ab]/i.test(address)) return 'link-local'
  if (VPN.test(name) || /^fd7a:115c:a1e0:/i.test(address) || inSubnet(address, '100.64.0.0', 10)) return 'vpn'
  return VIRTUAL.test(name) ? 'virtual' : 'lan'
}

/** All addresses of this machine, at most 256. */
export function readInterfaces(interfaces: NodeJS.Dict<os.NetworkInterfaceInfo[]> = os.networkInterfaces()): LocalAddress[] {
  return Object.entries(interfaces)
    .flatMap(([interfaceName, entries]) =>
      (entries ?? []).map((entry): LocalAddress => ({
        interfaceName,
        address: entry.address,
        family: entry.family === 'IPv6' ? 'ipv6' : 'ipv4',
        scope: scopeOf(interfaceName, entry.address, entry.internal),
        prefixLength: Number(entry.cidr?.split('/')[1] ?? (entry.family === 'IPv6' ? 128 : 32)),
        zone: entry.family === 'IPv6' ? entry.scopeid : 0,
      })),
    )
    .slice(0, 256)
}

/** 32 bits of a dotted IPv4 address; null for anything else. */
export function ipv4Number(address: string): number | null {
  const parts = address.split('.')
  if (parts.length !== 4) return null
  let value = 0
  for (const part of parts) {
    if (!/^\d{1,3}$/.test(part) || Number(part) > 255) return null
    value = value * 256 + Number(part)
  }
  return value
}

export const ipv4Text = (value: number): string => [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join('.')

const maskOf = (prefixLength: number): number => (prefixLength === 0 ? 0 : (0xff_ff_ff_ff << (32 - prefixLength)) >>> 0)

/** IPv4 only: false for everything else. */
export function inSubnet(address: string, network: string, prefixLength: number): boolean {
  const [a, b] = [ipv4Number(address), ipv4Number(network)]
  if (a === null || b === null) return false
  const mask = maskOf(prefixLength)
  return (a & mask) >>> 0 === (b & mask) >>> 0
}

/** Where a broadcast of this address's subnet goes; null when it has none (point to point, IPv6). */
export function broadcastOf(local: LocalAddress): string | null {
  const value = ipv4Number(local.address)
  if (value === null || local.prefixLength > 30 || local.prefixLength < 8) return null
  return ipv4Text((value | ~maskOf(local.prefixLength)) >>> 0)
}

/**
 * Interfaces to call out on: the real LANs; without any, links with a self-given address (two machines on one cable); without those, what there
 * is (a container sees only a virtual one). Loopback and VPNs carry no multicast worth having.
 */
export function callingAddresses(locals: readonly LocalAddress[]): LocalAddress[] {
  const outside = locals.filter((local) => local.scope === 'lan' || local.scope === 'link-local' || local.scope === 'virtual')
  const of = (scope: Scope) => new Set(outside.filter((local) => local.scope === scope).map((local) => local.interfaceName))
  // An IPv6 link-local address comes with every interface, virtual ones too, and says nothing about it.
  const self = new Set(
    outside.filter((local) => local.family === 'ipv4' && local.scope === 'link-local').map((local) => local.interfaceName),
  )
  const names = [of('lan'), self, of('virtual')].find((found) => found.size > 0) ?? new Set<string>()
  return outside.filter((local) => names.has(local.interfaceName))
}

/** The interface whose subnet holds `address` (an IPv6 zone names it outright); null when it came through a router. */
export function interfaceFor(address: string, locals: readonly LocalAddress[]): string | null {
  const [bare = address, zone] = address.split('%')
  if (zone !== undefined) return locals.find((local) => local.interfaceName === zone || String(local.zone) === zone)?.interfaceName ?? null
  const holders = locals.filter((local) => local.family === 'ipv4' && inSubnet(bare, local.address, local.prefixLength))
  return holders.toSorted((a, b) => b.prefixLength - a.prefixLength)[0]?.interfaceName ?? null
}

/** Looks at the interfaces every 5 s and whenever asked; tells when they differ. */
export class NetworkWatch {
  private locals: readonly LocalAddress[]
  private text: string
  private timer: NodeJS.Timeout | null = null
  private readonly listeners = new Set<(locals: readonly LocalAddress[]) => void>()
  private readonly read: () => readonly LocalAddress[]
  private lastLookMs = 0

  constructor(read: () => readonly LocalAddress[] = readInterfaces) {
    this.read = read
    this.locals = read()
    this.text = JSON.stringify(this.locals)
  }

  get current(): readonly LocalAddress[] {
    return this.locals
  }

  start(): void {
    this.timer ??= setInterval(() => this.look(), 5_000)
  }

  stop(): void {
    if (this.timer) clearInterval(this.timer)
    this.timer = null
  }

  onChange(listener: (locals: readonly LocalAddress[]) => void): () => void {
    this.listeners.add(listener)
    return () => void this.listeners.delete(listener)
  }

  /** Looks now. Cheap, and at most ten times a second: a failed send asks for it. */
  look(): void {
    const nowMs = performance.now()
    if (nowMs - this.lastLookMs < 100) return
    this.lastLookMs = nowMs
    const locals = this.read()
    const text = JSON.stringify(locals)
    if (text === this.text) return
    this.locals = locals
    this.text = text
    for (const listener of this.listeners) listener(locals)
  }
}
