import type { DiscoveryMethod, MethodContext } from '../method.ts'
import { FoundListeners } from '../method.ts'
import { repeat } from '../timing.ts'

export interface Options extends MethodContext {
  /**
   * Leaves our announcement with the cloud and brings those of the ring's other nodes, seldom asked and only when the owner opted in.
   * Its own timeout is ≤ 30 s; a rejection means "not now".
   */
  readonly exchange: (announcement: Uint8Array) => Promise<readonly { readonly bytes: Uint8Array; readonly ageMs: number }[]>
}

const TAKEN_MAX = 64

/** Rendezvous for machines that share no network: who is found here is called on at its addresses like anybody else. */
export function create(options: Options): DiscoveryMethod {
  const found = new FoundListeners()
  let said: Uint8Array | null = null
  let quiet: (() => void) | null = null
  let busy = false
  let forget: (() => void) | null = null

  const meet = async () => {
    if (said === null || busy) return
    busy = true
    try {
      const others = await options.exchange(said)
      for (const { bytes, ageMs } of others.slice(0, TAKEN_MAX))
        if (quiet) found.tell({ method: 'cloud', bytes, source: null, interfaceName: null, ageMs, relayed: true, goodbye: false })
    } catch (error) {
      options.log(`The cloud's rendezvous did not answer: ${String(error)}`)
    } finally {
      busy = false
    }
  }
  const begin = () => {
    quiet?.()
    quiet = repeat(() => void meet(), [0, 5_000], options.ttlMs * (2 / 3))
  }

  return {
    name: 'cloud',
    onFound: found.add,
    start: async () => {
      const forgetNetwork = options.network.onChange(begin)
      const forgetFound = options.caller.onFound((one) => one.method === 'cloud' && found.tell(one))
      forget = () => {
        forgetNetwork()
        forgetFound()
      }
      begin()
    },
    stop: async () => {
      forget?.()
      forget = null
      quiet?.()
      quiet = null
    },
    announce: ({ bytes }) => {
      said = bytes
      if (quiet) void meet()
    },
  }
}
