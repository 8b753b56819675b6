import * as z from 'zod/mini'

const Peer = z.object({
  DNSName: z.optional(z.string()),
  OS: z.optional(z.string()),
  Online: z.optional(z.boolean()),
  TailscaleIPs: z.nullish(z.array(z.string())),
})
const Status = z.object({
  BackendState: z.string(),
  MagicDNSSuffix: z.optional(z.string()),
  CurrentTailnet: z.nullish(z.object({ MagicDNSEnabled: z.optional(z.boolean()) })),
  Peer: z.nullish(z.record(z.string(), z.unknown())),
})

export interface TailscalePeer {
  /** MagicDNS name without the last dot; null when the tailnet has none. */
  readonly name: string | null
  readonly addresses: readonly string[]
}
export interface TailscaleStatus {
  /** `Running`, `Stopped`, `NeedsLogin` … as Tailscale says it. */
  readonly state: string
  /** Others that are online and could run an agent; at most 64. */
  readonly peers: readonly TailscalePeer[]
}

/** Telephones and television sets are in many tailnets and run no agent. */
const RUNS_AGENT = new Set(['linux', 'windows', 'macos'])
const ADDRESS = /^(100\.\d{1,3}\.\d{1,3}\.\d{1,3}|fd7a:115c:a1e0:[0-9a-f:]+)$/i
const NAME = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/i

/** Reads `tailscale status --json`; null when it is not that. One odd peer does not hide the others. */
export function parseTailscaleStatus(text: string): TailscaleStatus | null {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    return null
  }
  const status = Status.safeParse(json)
  if (!status.success) return null
  const { BackendState: state, CurrentTailnet, MagicDNSSuffix, Peer: peers } = status.data
  // Versions before 1.30 have no CurrentTailnet; there the suffix alone says it.
  const namesWork = (CurrentTailnet?.MagicDNSEnabled ?? true) && (MagicDNSSuffix ?? '') !== ''
  return {
    state,
    peers: Object.values(peers ?? {})
      .flatMap((raw) => {
        const { success, data } = Peer.safeParse(raw)
        if (!success || data.Online !== true || !RUNS_AGENT.has((data.OS ?? '').toLowerCase())) return []
        const dnsName = (data.DNSName ?? '').replace(/\.$/, '')
        const addresses = (data.TailscaleIPs ?? []).filter((address) => ADDRESS.test(address)).slice(0, 2)
        const name = namesWork && NAME.test(dnsName) ? dnsName : null
        return name === null && addresses.length === 0 ? [] : [{ name, addresses }]
      })
      .slice(0, 64),
  }
}
