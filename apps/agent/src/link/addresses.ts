/** Where somebody may be reached; UDP and TCP have the same number. `address` may carry an IPv6 zone. */
export interface LinkAddress {
  readonly address: string
  readonly port: number
}

export interface AddressSources {
  /** From discovery, best first. */
  readonly sighted: (publicKey: string) => readonly LinkAddress[]
  /** Whoever shows this key is the one that the other names: a machine that replaces its key has two for a while. Left out: the same key. */
  readonly isSame?: (expected: string, shown: string) => boolean
}

/** An address that carried a proof of the peer's key this recently is tried first. */
const HEARD_MS = 60_000
const TRIED_MAX = 4

/** Addresses of members, by public key: the one that last carried proof of the key, then what discovery says. */
export class Addresses {
  private readonly sources: AddressSources
  private readonly heard = new Map<string, { readonly address: LinkAddress; readonly atMs: number }>()

  constructor(sources: AddressSources) {
    this.sources = sources
  }

  isSame(expected: string, shown: string): boolean {
    return this.sources.isSame?.(expected, shown) ?? expected === shown
  }

  /** A signed datagram or a handshake came from there. */
  proved(publicKey: string, address: LinkAddress, nowMs: number): void {
    this.heard.set(publicKey, { address, atMs: nowMs })
  }

  /** It did not answer there. */
  failed(publicKey: string, { address, port }: LinkAddress): void {
    const heard = this.heard.get(publicKey)?.address
    if (heard?.address === address && heard.port === port) this.heard.delete(publicKey)
  }

  /** In the order to try them, at most four. */
  of(publicKey: string, nowMs: number): LinkAddress[] {
    const heard = this.heard.get(publicKey)
    const fresh = heard !== undefined && nowMs - heard.atMs < HEARD_MS ? [heard.address] : []
    const later = heard !== undefined && fresh.length === 0 ? [heard.address] : []
    const all = [...fresh, ...this.sources.sighted(publicKey), ...later].map(({ address, port }) => ({ address, port }))
    const once = new Map(all.map((one) => [`${one.address} ${one.port}`, one]))
    return [...once.values()].slice(0, TRIED_MAX)
  }

  /** The first of `of` where it was proved lately, so that one is enough; and quickly found, for most messages go there. */
  provedWithin(publicKey: string, nowMs: number, withinMs: number): LinkAddress | null {
    const heard = this.heard.get(publicKey)
    return heard !== undefined && nowMs - heard.atMs < withinMs ? heard.address : null
  }

  keepOnly(publicKeys: ReadonlySet<string>): void {
    for (const key of this.heard.keys()) if (!publicKeys.has(key)) this.heard.delete(key)
  }
}
