import { type DiscoveryMethod, FoundListeners, type KnownPeer, type MethodContext, type News } from '../method.ts'
import { Bucket } from '../rates.ts'
import { resolveHost } from '../resolve.ts'
import { repeat } from '../timing.ts'
import type { Endpoint } from '../udp-port.ts'

export interface Options extends MethodContext {
  /** Unicast doors to a ring (GOSSIP_JOIN); at most 16 are used. Names are looked up again at each round. */
  readonly seeds: readonly { readonly host: string; readonly port: number }[]
}

const SEEDS_MAX = 16
/** Peers that a piece of news is passed on to, and that a round refreshes. */
const FAN_OUT = 16
const REFRESHED = 8
/** Datagrams that news may cost a second, however much there is. */
const NEWS_PER_SECOND = 20

/**
 * Unicast only: asks its seeds whom they know, calls on those, passes news on once, and keeps up those whom multicast does not reach.
 * Without seeds, and with everybody in reach of multicast, it sends nothing.
 */
export function create(options: Options): DiscoveryMethod {
  const { caller, network, known, ttlMs } = options
  const found = new FoundListeners()
  const newsBudget = new Bucket(NEWS_PER_SECOND, NEWS_PER_SECOND * 2, performance.now())
  let endings: (() => void)[] | null = null
  let quiet: (() => void) | null = null
  let turn = 0

  const round = () => {
    void askSeeds()
    const unheard = known().filter((peer) => !peer.heardByMulticast)
    for (const peer of unheard.toSorted((a, b) => b.ageMs - a.ageMs).slice(0, REFRESHED))
      for (const address of peer.addresses.slice(0, 2)) caller.probe('gossip', address)
  }
  /** All seeds while nobody is known, else one a round. The second question carries the cookie of the first answer. */
  const askSeeds = async () => {
    const seeds = options.seeds.slice(0, SEEDS_MAX)
    turn += 1
    const asked = known().length === 0 ? seeds : seeds.filter((_, index) => index === turn % seeds.length)
    const addresses = await Promise.all(asked.map(async ({ host, port }) => ({ addresses: await resolveHost(host), port })))
    if (quiet === null) return
    for (const { addresses: theirs, port } of addresses) for (const address of theirs.slice(0, 2)) caller.sync('gossip', { address, port })
  }
  const budgeted = (send: (to: Endpoint) => void, to: Endpoint | undefined) => {
    if (to !== undefined && newsBudget.take(performance.now())) send(to)
  }
  const hearNews = ({ peer, method }: News) => {
    // Under a flood of news the rounds are enough.
    if (!newsBudget.take(performance.now())) return
    // Somebody told us of it: call on it, so that each knows the other at first hand.
    if (!peer.heardDirectly) for (const address of peer.addresses.slice(0, 2)) budgeted((to) => caller.probe('gossip', to), address)
    const listeners = known().filter((other) => other.publicKey !== peer.publicKey && (method === 'gossip' || !other.heardByMulticast))
    for (const other of listeners.slice(0, FAN_OUT)) budgeted((to) => caller.relay('gossip', peer, to), first(other))
  }
  const begin = () => {
    quiet?.()
    // Twice in a row at first: a sync without the other's cookie brings only the other.
    quiet = repeat(round, [0, 150, 600, 1_500, 3_000], ttlMs / 3)
  }

  return {
    name: 'gossip',
    onFound: found.add,
    start: async () => {
      endings = [caller.onFound((one) => one.method === 'gossip' && found.tell(one)), options.onNews(hearNews), network.onChange(begin)]
      begin()
    },
    stop: async () => {
      if (endings === null) return
      for (const end of endings) end()
      endings = null
      quiet?.()
      quiet = null
      tellUnheard(known(), (to) => caller.tell('goodbye', 'gossip', to))
    },
    announce: () => {
      if (endings !== null) tellUnheard(known(), (to) => caller.tell('announcement', 'gossip', to))
    },
  }
}

const first = (peer: KnownPeer): Endpoint | undefined => peer.addresses[0]

function tellUnheard(known: readonly KnownPeer[], tell: (to: Endpoint) => void): void {
  for (const peer of known.filter((other) => !other.heardByMulticast).slice(0, FAN_OUT)) {
    const to = first(peer)
    if (to) tell(to)
  }
}
