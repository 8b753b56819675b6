import * as z from 'zod/mini'
import { ClusterId, NodeId, PublicKey, Sha256Hex, Signature } from './ids.ts'
import { Role, Term } from './plan.ts'

/** UDP and TCP: probes, announcements, membership; the node API. */
export const NODE_PORT = 7700
/** No datagram of discovery is larger: it fits one Ethernet frame with room for a tunnel. */
export const DATAGRAM_BYTES_MAX = 1_200
/** In front of the announcement in a datagram (packages/discovery/src/datagram.ts). */
export const DATAGRAM_HEADER_BYTES = 18
/** Largest signed announcement, as UTF-8 bytes of its canonical JSON. */
export const ANNOUNCEMENT_BYTES_MAX = DATAGRAM_BYTES_MAX - DATAGRAM_HEADER_BYTES
/** How long an announcement lives without being heard again; DISCOVERY_TTL changes it. */
export const DISCOVERY_TTL_MS = 45_000

/** `DISCOVERY_BACKEND` takes one of these names; without it all run side by side. */
export const DISCOVERY_METHODS = ['mdns', 'udp', 'gossip', 'static', 'tailscale', 'cloud'] as const
export const DiscoveryMethodName = z.enum(DISCOVERY_METHODS)
export type DiscoveryMethodName = z.infer<typeof DiscoveryMethodName>

const Port = z.number().check(z.int(), z.minimum(1), z.maximum(65_535))

/** An IP address that others can use, without a zone. What it belongs to on the announcing machine says how good it is. */
export const AnnouncedAddress = z.object({
  address: z.union([z.ipv4(), z.ipv6()]),
  scope: z.enum(['lan', 'link-local', 'vpn', 'virtual', 'loopback']),
})
export type AnnouncedAddress = z.infer<typeof AnnouncedAddress>

/** What a node calls out about itself. A hint and nothing more: whoever acts on it checks the key against the roster. */
export const AnnouncementBody = z.object({
  version: z.literal(1),
  nodeId: NodeId,
  publicKey: PublicKey,
  clusterId: ClusterId,
  /** SHA-256 of the ring's genesis record. */
  fingerprint: Sha256Hex,
  /** False: an unclaimed ring of one, which waits for somebody to take it in. */
  claimed: z.boolean(),
  role: Role,
  term: z.nullable(Term),
  /** Of the node API (TCP) and of probes (UDP). */
  port: Port,
  /** Of the gateway; null while it answers on loopback alone. */
  consolePort: z.nullable(Port),
  /** Best first. */
  addresses: z.array(AnnouncedAddress).check(z.maxLength(8)),
  /** Newer wins: boots of the state directory first, then changes since. It needs no clock. */
  boot: z.number().check(z.int(), z.nonnegative()),
  count: z.number().check(z.int(), z.nonnegative()),
})
export type AnnouncementBody = z.infer<typeof AnnouncementBody>

/** Signed by `body.publicKey` over `thatdam-announcement-v1`. Travels as canonical JSON. */
export const Announcement = z.object({ body: AnnouncementBody, signature: Signature })
export type Announcement = z.infer<typeof Announcement>
