import { generateKey, verifySignature } from '@thatdam/control/keys'
import type { DiscoveryMethod, MethodContext } from '../method.ts'
import { Discovery, type DiscoveryEvent, type DiscoveryOptions } from '../all.ts'
import { type Self, signAnnouncement } from '../announcement.ts'

/* Nodes of one test process, each on a loopback address of its own. */

export const TEST_PORT = 17_700
const taken = { next: 1 }

export function testSelf(nodeId: string, publicKey: string): Self {
  return {
    nodeId,
    publicKey,
    clusterId: '6f0b7a3e-58c4-4d3c-9d6b-0a4c6d1f2b11',
    fingerprint: 'ab'.repeat(32),
    claimed: true,
    role: 'worker',
    term: null,
    port: TEST_PORT,
    consolePort: null,
    boot: 1,
  }
}

/** A signed announcement of somebody who need not be there. */
export function announcementOf(
  nodeId: string,
  change: Partial<Self> & { count?: number; address?: string } = {},
  key = generateKey(),
): Uint8Array {
  const { count = 1, address = '192.168.7.7', ...self } = change
  const body = { ...testSelf(nodeId, key.publicKey), ...self }
  return signAnnouncement(body, { count, addresses: [{ address, scope: 'lan' }] }, (domain, value) => key.sign(domain, value))
}

export interface LoopbackNode {
  readonly discovery: Discovery
  readonly address: string
  readonly events: DiscoveryEvent[]
  readonly names: () => string[]
}

export function loopbackNode(
  nodeId: string,
  methods: (context: MethodContext) => readonly DiscoveryMethod[],
  change: Partial<DiscoveryOptions> = {},
): LoopbackNode {
  const key = generateKey()
  const address = `127.78.${process.pid % 250}.${taken.next++}`
  const events: DiscoveryEvent[] = []
  const discovery = new Discovery({
    self: testSelf(nodeId, key.publicKey),
    sign: (domain, value) => key.sign(domain, value),
    verify: verifySignature,
    isMember: () => false,
    port: TEST_PORT,
    bindAddress: address,
    methods,
    log: () => undefined,
    ...change,
  })
  discovery.onEvent((event) => events.push(event))
  return {
    discovery,
    address,
    events,
    names: () =>
      discovery
        .sightings()
        .map((one) => one.nodeId)
        .toSorted(),
  }
}
