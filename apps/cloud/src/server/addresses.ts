import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os'

const VIRTUAL = /^(docker|br-|veth|virbr|vmnet|vboxnet|tailscale|utun|zt|wg|cni|flannel|cali)/i

export interface LanAddress {
  address: string
  interfaceName: string
}

/** IPv4 addresses of this machine that others on its network can use, real interfaces before bridges and VPNs. */
export function lanAddresses(interfaces: NodeJS.Dict<NetworkInterfaceInfo[]> = networkInterfaces()): LanAddress[] {
  return Object.entries(interfaces)
    .flatMap(([interfaceName, infos]) =>
      (infos ?? [])
        .filter((info) => info.family === 'IPv4' && !info.internal && !info.address.startsWith('169.254.'))
        .map(({ address }) => ({ address, interfaceName })),
    )
    .toSorted((a, b) => Number(VIRTUAL.test(a.interfaceName)) - Number(VIRTUAL.test(b.interfaceName)))
}

export function isLoopbackHost(hostname: string): boolean {
  return (
    hostname === 'localhost' ||
    hostname.endsWith('.localhost') ||
    /^127(\.\d{1,3}){3}$/.test(hostname) ||
    hostname === '[::1]' ||
    hostname === '::1'
  )
}

export function isLoopbackPeer(address: string | undefined): boolean {
  return address === '::1' || /^(::ffff:)?127\./.test(address ?? '')
}

/** A Host header that is only a name or address and a port: it is written into install scripts. */
export const HOST_PATTERN = /^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?$/

/** How a page was opened. */
export interface Opened {
  host: string
  scheme: 'http' | 'https'
}
export interface Base {
  /** Origins by which another machine may reach this server, best first. */
  origins: [BaseOrigin, ...BaseOrigin[]]
  /** No other machine can reach them. */
  loopbackOnly: boolean
}
export interface BaseOrigin {
  origin: string
  /** For choosing among several: the address, and by which interface. */
  label: string
}

const ORIGINS_MAX = 8

/**
 * The address for a command that runs on another machine: PUBLIC_URL, else the one the page was opened with, else (opened on loopback)
 * the LAN addresses of this machine.
 */
export function baseFor(opened: Opened, publicUrl: string | undefined, lan: readonly LanAddress[]): Base {
  const url = new URL(publicUrl ?? `${opened.scheme}://${opened.host}`)
  const loopbackOnly = isLoopbackHost(url.hostname)
  const own = { origin: url.origin, label: url.host }
  if (!loopbackOnly || publicUrl !== undefined) return { origins: [own], loopbackOnly }
  const [first, ...others] = lan.slice(0, ORIGINS_MAX).map(({ address, interfaceName }) => {
    url.hostname = address
    return { origin: url.origin, label: `${address} (${interfaceName})` }
  })
  return first === undefined ? { origins: [own], loopbackOnly } : { origins: [first, ...others], loopbackOnly: false }
}
