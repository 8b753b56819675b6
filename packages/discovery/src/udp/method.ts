import type { DiscoveryMethod, MethodContext } from '../method.ts'
import { FoundListeners } from '../method.ts'
import { repeat } from '../timing.ts'

export type Options = MethodContext

/** IPv4 broadcast and IPv6 multicast on the node's own UDP port: a few probes at first and after each change, then an announcement thrice a lifetime. */
export function create(options: Options): DiscoveryMethod {
  const { caller, network, ttlMs } = options
  const found = new FoundListeners()
  let endings: (() => void)[] = []

  const callOut = (): (() => void) => {
    let probes = 4
    return repeat(() => caller.callOut(probes-- > 0 ? 'probe' : 'announcement', 'udp'), [0, 250, 1_000, 3_000], ttlMs / 3)
  }
  let quiet: (() => void) | null = null
  const begin = () => {
    quiet?.()
    quiet = callOut()
  }

  return {
    name: 'udp',
    onFound: found.add,
    start: async () => {
      endings = [caller.onFound((one) => one.method === 'udp' && found.tell(one)), network.onChange(begin)]
      begin()
    },
    stop: async () => {
      if (quiet === null) return
      quiet()
      quiet = null
      for (const end of endings) end()
      endings = []
      caller.callOut('goodbye', 'udp')
    },
    announce: () => {
      if (quiet !== null) caller.callOut('announcement', 'udp')
    },
  }
}
