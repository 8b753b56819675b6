import { randomBytes } from 'node:crypto'
import { readJson } from '@thatdam/control/http-io'
import { RateLimiter } from '@thatdam/control/rate-limits'
import { handleRingHello } from '@thatdam/control/ring-join-server'
import type { Member } from '@thatdam/control/roster'
import { NodeServer, type NodeRoute } from '../../link/server.ts'
import type { RingRecords } from '../../ring/roster-store.ts'
import { openPart, quietLog } from '../../ring/testing/ring.ts'
import type { Identity } from '../../state/identity.ts'
import { AdoptDoor } from '../adopt-door.ts'

export interface Opened {
  readonly port: number
  readonly publicKey: string
  close(): Promise<void>
}

/** A node API on loopback with these routes alone. */
export async function openServer(
  { key, nodeId }: Pick<Identity, 'key' | 'nodeId'>,
  routes: readonly NodeRoute[],
  memberOf: (publicKey: string) => Member | null = () => null,
): Promise<Opened> {
  const at = { port: 0, bindAddress: '127.0.0.1' }
  const server = await NodeServer.open({
    ...at,
    key,
    nodeId,
    memberOf,
    wasMember: () => false,
    routes: () => routes,
    onProved: () => {},
    log: () => {},
  })
  return { port: server.port, publicKey: key.publicKey, close: () => server.close() }
}

export interface OpenedDoor extends Opened {
  readonly door: AdoptDoor
  readonly fingerprint: string
  readonly members: () => string[]
  /** How often it said that something may have changed. */
  readonly changes: () => number
}

/** A machine of a ring, with what it needs to let others in. */
export async function openDoor(identity: Identity, records: RingRecords, { isClaimed = true } = {}): Promise<OpenedDoor> {
  const part = await openPart(identity, records, { address: '127.0.0.1', port: 0, seeds: '127.0.0.1:9', ranking: [] })
  const { store } = part
  let changes = 0
  const changed = () => void (changes += 1)
  const door = new AdoptDoor({ host: { store, part }, identity, log: quietLog, claimed: () => isClaimed, changed })
  const nonceSecret = randomBytes(32)
  const limiter = new RateLimiter()
  const hello: NodeRoute = {
    method: 'POST',
    path: '/v1/join/hello',
    open: true,
    run: async ({ request, address }) =>
      await handleRingHello(await readJson(request, 8_192), {
        node: identity.key,
        nonceSecret,
        ring: store.keeper,
        tokens: { find: () => null, redeem: () => Promise.resolve({ kind: 'unknown' }) },
        limiter,
        audit: () => {},
        address,
        nowMs: Date.now(),
      }),
  }
  const server = await openServer(identity, [hello, ...door.routes()], (publicKey) => store.memberByKey(publicKey))
  return {
    ...server,
    door,
    fingerprint: store.fingerprint,
    members: () => [...store.roster.members.keys()],
    changes: () => changes,
    close: async () => {
      await server.close()
      await part.stop()
    },
  }
}
