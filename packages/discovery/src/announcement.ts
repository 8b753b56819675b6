import { canonicalJson, type Json } from '@thatdam/protocol/canonical'
import { ANNOUNCEMENT_BYTES_MAX, Announcement, AnnouncementBody, type AnnouncedAddress } from '@thatdam/protocol/discovery'
import type { LocalAddress, Scope } from './interfaces.ts'

/** What this node says, without its addresses: those are looked up at each change of the network. */
export type Self = Omit<AnnouncementBody, 'version' | 'addresses' | 'count'>

/** Signs as this node's Ed25519 key over `signingText(domain, value)`; base64url. */
export type Sign = (domain: 'thatdam-announcement-v1', value: Json) => string
/** Never throws on input from outside. */
export type Verify = (domain: 'thatdam-announcement-v1', value: Json, signature: string, publicKey: string) => boolean

/** Best first. Container bridges and loopback are said only by a machine that has nothing else (a container, a test on one machine). */
const SAID: readonly Scope[] = ['lan', 'link-local', 'vpn']
const SAID_AT_NEED: readonly Scope[] = ['virtual', 'loopback']

/** Addresses to announce: at most 8, IPv4 before IPv6 within a scope. IPv6 link-local ones mean nothing without the listener's zone, so they are left out. */
export function announcedAddresses(locals: readonly LocalAddress[]): AnnouncedAddress[] {
  const usable = locals.filter((local) => !/^fe[89ab]/i.test(local.address))
  const pick = (scopes: readonly Scope[]) =>
    scopes.flatMap((scope) =>
      usable
        .filter((local) => local.scope === scope)
        .toSorted((a, b) => a.family.localeCompare(b.family) || a.address.localeCompare(b.address)),
    )
  const said = pick(SAID)
  return (said.length > 0 ? said : pick(SAID_AT_NEED)).slice(0, 8).map(({ address, scope }) => ({ address, scope }))
}

/** The bytes that go out. Addresses are dropped from the end until they fit. */
export function signAnnouncement(self: Self, said: { addresses: readonly AnnouncedAddress[]; count: number }, sign: Sign): Uint8Array {
  for (let keep = said.addresses.length; ; keep -= 1) {
    const body: AnnouncementBody = { ...self, version: 1, addresses: said.addresses.slice(0, keep), count: said.count }
    const bytes = Buffer.from(canonicalJson({ body, signature: sign('thatdam-announcement-v1', body) }))
    if (bytes.length <= ANNOUNCEMENT_BYTES_MAX || keep === 0) return bytes
  }
}

/** Shape only; null for anything else. Bytes that are not in canonical form are refused, so that one announcement has one spelling. */
export function parseAnnouncement(bytes: Uint8Array): Announcement | null {
  if (bytes.length > ANNOUNCEMENT_BYTES_MAX) return null
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
  try {
    const parsed = Announcement.safeParse(JSON.parse(text))
    return parsed.success && canonicalJson(parsed.data) === text ? parsed.data : null
  } catch {
    return null
  }
}
