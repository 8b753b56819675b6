import { DiscoveryMethodName } from '@thatdam/protocol/discovery'
import { ThatdamError } from '@thatdam/protocol/errors'
import { create as createCloud, type Options as CloudOptions } from './cloud/method.ts'
import { create as createGossip } from './gossip/method.ts'
import { create as createMdns } from './mdns/method.ts'
import type { DiscoveryMethod, MethodContext } from './method.ts'
import { parseHostPort } from './resolve.ts'
import { create as createStatic, type Options as StaticOptions } from './static/method.ts'
import { EXECUTABLES, create as createTailscale } from './tailscale/method.ts'
import { create as createUdp } from './udp/method.ts'

export interface Choice {
  /** DISCOVERY_BACKEND; null: all. */
  readonly backend: DiscoveryMethodName | null
  readonly nodePort: number
  /** GOSSIP_JOIN. */
  readonly seeds: readonly { readonly host: string; readonly port: number }[]
  readonly hint: StaticOptions['hint']
  readonly memory: StaticOptions['memory']
  readonly ask: StaticOptions['ask']
  /** Null: the owner did not opt in. */
  readonly exchange: CloudOptions['exchange'] | null
  readonly mdnsService?: string
  /** Other than where Tailscale's command usually is. */
  readonly tailscale?: readonly string[]
}

/** Every method that this machine can try, or the one that the owner forces. */
export const usualMethods =
  (choice: Choice) =>
  (context: MethodContext): DiscoveryMethod[] => {
    const { backend, nodePort, seeds, hint, memory, ask, exchange, mdnsService } = choice
    const makers: Readonly<Record<DiscoveryMethodName, () => DiscoveryMethod | null>> = {
      mdns: () => createMdns({ ...context, ...(mdnsService === undefined ? {} : { service: mdnsService }) }),
      udp: () => createUdp(context),
      gossip: () => createGossip({ ...context, seeds }),
      static: () => createStatic({ ...context, hint, memory, ask }),
      tailscale: () => createTailscale({ ...context, nodePort, executables: choice.tailscale ?? EXECUTABLES }),
      cloud: () => exchange && createCloud({ ...context, exchange }),
    }
    return Object.entries(makers).flatMap(([name, make]) => (backend === null || backend === name ? (make() ?? []) : []))
  }

/** DISCOVERY_BACKEND. @throws ThatdamError that lists the names. */
export function parseBackend(text: string | undefined): DiscoveryMethodName | null {
  if (text === undefined || text.trim() === '' || text === 'auto') return null
  const parsed = DiscoveryMethodName.safeParse(text.trim())
  if (parsed.success) return parsed.data
  throw new ThatdamError(
    'BAD_REQUEST',
    `DISCOVERY_BACKEND is "${text.slice(0, 40)}", which is no way of finding machines. Use one of ${DiscoveryMethodName.options.join(', ')}, or leave it out to use all.`,
  )
}

/** GOSSIP_JOIN, else SERF_JOIN: addresses apart by commas or blanks; at most 16. @throws ThatdamError that names the wrong one. */
export function parseSeeds(text: string | undefined, defaultPort: number): { host: string; port: number }[] {
  const words = (text ?? '').split(/[\s,]+/).filter((word) => word !== '')
  return words.slice(0, 16).map((word) => {
    const seed = parseHostPort(word, defaultPort)
    if (seed) return seed
    throw new ThatdamError(
      'BAD_REQUEST',
      `GOSSIP_JOIN holds "${word.slice(0, 80)}", which is no address. Write host, host:port or [IPv6]:port, apart by commas.`,
    )
  })
}
