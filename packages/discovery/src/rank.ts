import type { AnnouncementBody } from '@thatdam/protocol/discovery'
import { type LocalAddress, inSubnet, interfaceFor } from './interfaces.ts'
import type { SightedAddress } from './sightings.ts'

const SCOPE_RANK: Readonly<Record<SightedAddress['scope'], number>> = {
  lan: 0,
  heard: 1,
  'link-local': 2,
  vpn: 3,
  virtual: 4,
  loopback: 5,
}

const rank = (one: SightedAddress): number => SCOPE_RANK[one.scope] * 2 + (one.interfaceName === null ? 1 : 0)

/**
 * Addresses of a node in the order to try them. Signed ones that lie on a subnet of one of our real LANs come first, then other LAN
 * addresses, then where it was heard from, self-given addresses, VPN, container bridges. A subnet that only a virtual interface of ours has
 * counts for nothing: every Docker host has 172.17.0.0/16, and its own copy of it.
 */
export function rankAddresses(
  body: AnnouncementBody,
  heard: readonly { readonly address: string; readonly interfaceName: string | null }[],
  locals: readonly LocalAddress[],
): SightedAddress[] {
  const port = body.port
  const announced = body.addresses.map(({ address, scope }): SightedAddress => {
    const shared = locals.filter(
      (local) => local.scope === scope && local.family === 'ipv4' && inSubnet(address, local.address, local.prefixLength),
    )
    return { address, port, scope, interfaceName: shared.length === 0 ? null : interfaceFor(address, shared) }
  })
  const said = new Set(announced.map((one) => one.address))
  const extra = heard.filter((one) => !said.has(one.address)).map((one): SightedAddress => ({ ...one, port, scope: 'heard' }))
  return [...announced, ...extra].toSorted((a, b) => rank(a) - rank(b))
}
