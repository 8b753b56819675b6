import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os'

const VIRTUAL = /^(docker|br-|veth|virbr|vmnet|vboxnet|tailscale|utun|zt|wg|cni|flannel|cali)/i

/** IPv4 addresses of this machine that others on its network can use, real interfaces before bridges and VPNs. */
export function lanAddresses(interfaces: NodeJS.Dict<NetworkInterfaceInfo[]> = networkInterfaces()): string[] {
  const found = Object.entries(interfaces).flatMap(([name, infos]) =>
    (infos ?? [])
      .filter((info) => info.family === 'IPv4' && !info.internal && !info.address.startsWith('169.254.'))
      .map((info) => ({ address: info.address, rank: VIRTUAL.test(name) ? 1 : 0 })),
  )
  return found.toSorted((a, b) => a.rank - b.rank).map((one) => one.address)
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

export interface Base {
  /** Origin that another machine reaches this server by. */
  origin: string
  /** No other machine can reach that origin. */
  loopbackOnly: boolean
}

/**
 * The address for a command that runs on another machine: PUBLIC_URL, else the one the page was opened with, else (opened on loopback)
 * a LAN address of this machine.
 */
export function baseFor(
  request: { host: string; scheme: 'http' | 'https' },
  publicUrl: string | undefined,
  lan: readonly string[] = lanAddresses(),
): Base {
  if (publicUrl !== undefined) return { origin: publicUrl, loopbackOnly: isLoopbackHost(new URL(publicUrl).hostname) }
  const url = new URL(`${request.scheme}://${request.host}`)
  if (!isLoopbackHost(url.hostname)) return { origin: url.origin, loopbackOnly: false }
  const address = lan[0]
  if (address === undefined) return { origin: url.origin, loopbackOnly: true }
  url.hostname = address
  return { origin: url.origin, loopbackOnly: false }
}
