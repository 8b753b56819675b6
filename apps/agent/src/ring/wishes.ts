import { readJson } from '@thatdam/control/http-io'
import type { Member } from '@thatdam/control/roster'
import { MemberWishes } from '@thatdam/protocol/member'
import type { NodeSettings } from '@thatdam/protocol/settings'
import { Backoff, sleep } from '../backoff.ts'
import type { NodeClient } from '../link/client.ts'
import { memberOf, type NodeRoute } from '../link/server.ts'
import type { Version } from '../state/version.ts'
import { parseBody } from './body.ts'

const WISHES_BYTES_MAX = 64 * 1024
const CALL_MS_MAX = 5_000
const QUIET_MS = 30_000

/** POST /v1/wishes: what the owner of a machine wishes of it, told by that machine about itself alone. An admitter signs it. */
export function wishesRoute(sign: (nodeId: string, wishes: Partial<NodeSettings>) => void): NodeRoute {
  return {
    method: 'POST',
    path: '/v1/wishes',
    run: async (call) => {
      const { nodeId } = memberOf(call)
      const { wishes } = parseBody(MemberWishes, await readJson(call.request, WISHES_BYTES_MAX))
      sign(nodeId, Object.fromEntries(Object.entries(wishes).filter(([, value]) => value !== undefined)))
      return { status: 204, body: null }
    },
  }
}

export interface WishingPorts {
  readonly client: () => NodeClient
  readonly version: Version
  readonly leader: () => Member | null
  readonly pending: () => Partial<NodeSettings> | null
}

/** Tells the leader what waits to be signed, until the op-log says it. */
export async function tellWishes(ports: WishingPorts, signal: AbortSignal): Promise<void> {
  const backoff = new Backoff(500, 10_000)
  while (!signal.aborted) {
    const version = ports.version.value
    const [leader, wishes] = [ports.leader(), ports.pending()]
    if (leader === null || wishes === null) {
      await ports.version.waitNewer(version, QUIET_MS, signal)
      continue
    }
    const body: MemberWishes = { version: 1, wishes }
    const { publicKey } = leader
    await ports
      .client()
      .call({ publicKey, method: 'POST', path: '/v1/wishes', body, timeoutMs: CALL_MS_MAX, signal })
      .then(() => backoff.reset())
      .catch(() => {})
    await sleep(backoff.nextMs(), signal)
  }
}
