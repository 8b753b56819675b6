import type { DiscoveryMethod, MethodContext } from '../method.ts'
import { FoundListeners } from '../method.ts'
import { parseAnnouncement } from '../announcement.ts'
import { resolveHost } from '../resolve.ts'
import { repeat } from '../timing.ts'
import type { Endpoint } from '../udp-port.ts'

/** Keeps announcements over a restart, newest first. The owner writes them atomically; a damaged or missing file reads as none. */
export interface AddressMemory {
  load(): Promise<readonly string[]>
  save(announcements: readonly string[]): Promise<void>
}

export interface Options extends MethodContext {
  /** UPSTREAM_HOST and UPSTREAM_PORT. */
  readonly hint: { readonly host: string; readonly port: number } | null
  readonly memory: AddressMemory | null
  /** Asks a node over TCP for its announcement, where UDP does not get through; null when it did not answer. Its own timeout is ≤ 5 s. */
  readonly ask: ((host: string, port: number) => Promise<Uint8Array | null>) | null
}

const REMEMBERED_MAX = 16

/** The address that the owner gave, and those that were good before the restart: asked by name, again and again, by UDP and, where offered, TCP. */
export function create(options: Options): DiscoveryMethod {
  const { caller, network, known, ttlMs, hint } = options
  const found = new FoundListeners()
  let endings: (() => void)[] = []
  let quiet: (() => void) | null = null
  let remembered: { readonly publicKey: string; readonly addresses: readonly Endpoint[] }[] = []
  let saving: NodeJS.Timeout | null = null
  let asking = false

  const askHint = async () => {
    if (hint === null || asking) return
    asking = true
    try {
      for (const address of await resolveHost(hint.host)) if (quiet) caller.probe('static', { address, port: hint.port })
      const bytes = (await options.ask?.(hint.host, hint.port).catch(() => null)) ?? null
      if (bytes !== null && quiet)
        found.tell({ method: 'static', bytes, source: hint.host, interfaceName: null, ageMs: 0, relayed: true, goodbye: false })
    } finally {
      asking = false
    }
  }
  let rounds = 0
  const round = () => {
    void askHint()
    // Whoever was good before is asked at each of the first rounds, then ever more seldom: it may never come back.
    rounds += 1
    if (rounds > 8 && (rounds & (rounds - 1)) !== 0) return
    const present = new Set(known().map((peer) => peer.publicKey))
    for (const peer of remembered) if (!present.has(peer.publicKey)) for (const address of peer.addresses) caller.probe('static', address)
  }
  const begin = () => {
    quiet?.()
    rounds = 0
    quiet = repeat(round, [0, 500, 1_500, 4_000], ttlMs / 3)
  }
  const save = async () => {
    const texts = known().map((peer) => Buffer.from(peer.bytes).toString('utf8'))
    if (texts.length > 0) await options.memory?.save(texts.slice(0, REMEMBERED_MAX)).catch((error: unknown) => options.log(String(error)))
  }

  return {
    name: 'static',
    onFound: found.add,
    start: async () => {
      const texts = (await options.memory?.load().catch(() => [])) ?? []
      remembered = texts.slice(0, REMEMBERED_MAX).flatMap((text) => {
        const body = parseAnnouncement(Buffer.from(text))?.body
        return body === undefined
          ? []
          : [{ publicKey: body.publicKey, addresses: body.addresses.slice(0, 3).map((one) => ({ ...one, port: body.port })) }]
      })
      endings = [
        caller.onFound((one) => one.method === 'static' && found.tell(one)),
        network.onChange(begin),
        options.onNews(() => {
          saving ??= setTimeout(() => {
            saving = null
            void save()
          }, 2_000)
        }),
      ]
      begin()
    },
    stop: async () => {
      for (const end of endings) end()
      endings = []
      quiet?.()
      quiet = null
      if (saving !== null) {
        clearTimeout(saving)
        saving = null
        await save()
      }
    },
    announce: () => {
      if (quiet) void askHint()
    },
  }
}
