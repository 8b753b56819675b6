import os from 'node:os'
import type { NetInterface } from '@thatdam/protocol/facts'
import { parseProcNetRoute, parseRouteGet } from './parse/default-route.ts'
import { parseTailscaleAddresses } from './parse/tailscale.ts'
import { findTool, readSmall, runTool } from './tool.ts'

type Scope = NetInterface['scope']
export type InterfaceMap = Readonly<Record<string, readonly { address: string; family: string; internal: boolean }[] | undefined>>

/** Bridges, pairs and switches of containers and virtual machines. A plain `br0` may carry the LAN, so it is none. */
const VIRTUAL =
  /^(docker|br-|veth|virbr|vmnet|vboxnet|lxc|lxdbr|cni|flannel|cali|podman|dummy|ifb|bridge1\d\d|vEthernet|VirtualBox|VMware)/i
const VPN = /^(tailscale|wg|tun|tap|utun|ppp|zt|nordlynx|ipsec|wireguard|openvpn|proton)/i

/** Scope of one address: what the address says goes before what the interface's name says. */
export function scopeOf(name: string, address: string, internal: boolean, vpnAddresses: ReadonlySet<string>): Scope {
  if (internal) return 'loopback'
  if (address.startsWith('169.254.') || /^fe[89ab]/i.test(address)) return 'link-local'
  if (VPN.test(name) || vpnAddresses.has(address) || /^fd7a:115c:a1e0:/i.test(address)) return 'vpn'
  return VIRTUAL.test(name) ? 'virtual' : 'lan'
}

/** All addresses with their scopes, in a stable order, at most 64 (LAN first, so that a host full of containers loses none of those). */
export function classifyInterfaces(interfaces: InterfaceMap, vpnAddresses: ReadonlySet<string>): NetInterface[] {
  const order: Scope[] = ['lan', 'vpn', 'loopback', 'virtual', 'link-local']
  return Object.entries(interfaces)
    .flatMap(([name, addresses]) =>
      (addresses ?? []).map((entry): NetInterface => ({
        name,
        address: entry.address,
        family: entry.family === 'IPv6' ? 'ipv6' : 'ipv4',
        scope: scopeOf(name, entry.address, entry.internal, vpnAddresses),
      })),
    )
    .toSorted((a, b) => order.indexOf(a.scope) - order.indexOf(b.scope) || compare(a.name, b.name) || compare(a.address, b.address))
    .slice(0, 64)
}

/**
 * Addresses that other machines can use, best first: IPv4 before IPv6 (people type them), the interface of the default route first, wire before
 * radio, private IPv4 before public, stable IPv6 before none; VPN addresses last. At most 32.
 */
export function lanAddresses(interfaces: readonly NetInterface[], defaultInterface: string | null): string[] {
  const rank = (entry: NetInterface) =>
    [
      entry.scope === 'lan' ? 0 : 1,
      entry.family === 'ipv4' ? 0 : 1,
      entry.name === defaultInterface ? 0 : 1,
      /^(wl|wi-?fi|wlan)/i.test(entry.name) ? 1 : 0,
      isPrivate(entry.address) ? 0 : 1,
    ] as const
  return interfaces
    .filter((entry) => entry.scope === 'lan' || entry.scope === 'vpn')
    .map((entry) => ({ entry, key: rank(entry).join('') }))
    .toSorted((a, b) => compare(a.key, b.key) || compare(a.entry.address, b.entry.address))
    .map(({ entry }) => entry.address)
    .slice(0, 32)
}

/** RFC 1918 and RFC 4193. */
const isPrivate = (address: string) => /^(10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|f[cd])/i.test(address)
const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)

export async function gatherNetwork(): Promise<{ netInterfaces: NetInterface[]; lanAddresses: string[] }> {
  const [vpn, route] = await Promise.all([tailscaleAddresses(), readDefaultInterface()])
  const netInterfaces = classifyInterfaces(os.networkInterfaces(), new Set(vpn))
  return { netInterfaces, lanAddresses: lanAddresses(netInterfaces, route) }
}

async function tailscaleAddresses(): Promise<string[]> {
  const tool = findTool(['tailscale', 'Tailscale'])
  return tool ? parseTailscaleAddresses((await runTool(tool, ['status', '--json'])).stdout) : []
}

async function readDefaultInterface(): Promise<string | null> {
  if (process.platform === 'linux') return parseProcNetRoute((await readSmall('/proc/net/route')) ?? '')
  if (process.platform === 'darwin') return parseRouteGet((await runTool('/sbin/route', ['-n', 'get', 'default'])).stdout)
  return null
}
