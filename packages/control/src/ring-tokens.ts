import { ThatdamError } from '@thatdam/protocol/errors'
import type { RingToken, RingTokensFile } from '@thatdam/protocol/ring-join'
import { makeToken } from './token.ts'

export const TOKEN_LIFE_MS = 900_000
/** For unattended installs: the most that an owner can choose. */
const TOKEN_LIFE_MS_MAX = 30 * 86_400_000
const TOKEN_USES_MAX = 1_000
const TOKENS_MAX = 256
/** A token that is over is kept so long, so that a machine whose answer was lost can ask again. */
const KEPT_MS = 86_400_000

export type RingRedeemInput = { tokenKey: string; nodeKey: string; nodeId: string; removal: string | null; nowMs: number }
/** `repeated`: this node key redeemed the token before, and `removal` is what was known then. */
export type RingRedeemOutcome =
  | { kind: 'redeemed'; repeated: boolean; removal: string | null }
  | { kind: 'unknown' | 'used' | 'expired' | 'revoked' }

/** The tokens that this machine made. */
export interface RingTokens {
  find(tokenKey: string): RingToken | null
  /**
   * Atomic: of any number of calls at once at most `maxUses` distinct node keys ever get `redeemed`. Order of checks: unknown; redeemed by this
   * key before (also when the token is over meanwhile: the answer was lost); revoked; expired; used. On disk when it resolves.
   */
  redeem(input: RingRedeemInput): Promise<RingRedeemOutcome>
}

/** Keeps them in a file: one change after the other, each on disk before it counts. */
export class RingTokenBook implements RingTokens {
  readonly #ring: { readonly clusterId: string; readonly fingerprint: string }
  readonly #save: (file: RingTokensFile) => Promise<void>
  #tokens: ReadonlyMap<string, RingToken>
  #last: Promise<unknown> = Promise.resolve()

  /**
   * @param known what the file holds; null, or of another ring: none.
   * @param save replaces the file, durably. When it throws, the change did not happen.
   */
  constructor(
    ring: { readonly clusterId: string; readonly fingerprint: string },
    known: RingTokensFile | null,
    save: (file: RingTokensFile) => Promise<void>,
  ) {
    this.#ring = ring
    this.#save = save
    const tokens = known?.fingerprint === ring.fingerprint ? known.tokens : []
    this.#tokens = new Map(tokens.map((token) => [token.tokenKey, token]))
  }

  find(tokenKey: string): RingToken | null {
    return this.#tokens.get(tokenKey) ?? null
  }

  list(): readonly RingToken[] {
    return [...this.#tokens.values()]
  }

  /**
   * Makes a token. Show `text` once: it is not kept.
   * @throws ThatdamError BAD_REQUEST beyond 30 days or 1,000 uses; CONFLICT when 256 are good already.
   */
  mint(wish: { nowMs: number; lifeMs?: number; uses?: number; seed?: Uint8Array }): Promise<{ text: string; token: RingToken }> {
    const { nowMs, lifeMs = TOKEN_LIFE_MS, uses = 1, seed } = wish
    if (!(lifeMs > 0 && lifeMs <= TOKEN_LIFE_MS_MAX && Number.isInteger(uses) && uses > 0 && uses <= TOKEN_USES_MAX)) {
      throw new ThatdamError('BAD_REQUEST', 'A join token is good for at most 30 days and 1,000 machines. Choose less.')
    }
    const { text, tokenKey } = makeToken(this.#ring.clusterId, this.#ring.fingerprint.slice(0, 32), seed)
    const token = { tokenKey, createdAtMs: nowMs, expiresAtMs: nowMs + lifeMs, maxUses: uses, revokedAtMs: null, redemptions: [] }
    return this.#inTurn(async () => {
      const kept = [...this.#tokens.values()].filter((one) => nowMs < one.expiresAtMs + KEPT_MS || one.createdAtMs > nowMs)
      if (kept.length >= TOKENS_MAX) {
        throw new ThatdamError(
          'CONFLICT',
          `This machine has made ${TOKENS_MAX} join tokens that are not over. Withdraw some, then make a new one.`,
        )
      }
      await this.#keep([...kept, token])
      return { text, token }
    })
  }

  /** @returns false when there is no such token. */
  revoke(tokenKey: string, nowMs: number): Promise<boolean> {
    return this.#inTurn(async () => {
      const token = this.#tokens.get(tokenKey)
      if (token === undefined) return false
      await this.#replace({ ...token, revokedAtMs: token.revokedAtMs ?? nowMs })
      return true
    })
  }

  redeem({ tokenKey, nodeKey, nodeId, removal, nowMs }: RingRedeemInput): Promise<RingRedeemOutcome> {
    return this.#inTurn(async () => {
      const token = this.#tokens.get(tokenKey)
      if (token === undefined) return { kind: 'unknown' }
      const before = token.redemptions.find((one) => one.nodeKey === nodeKey)
      if (before !== undefined) return { kind: 'redeemed', repeated: true, removal: before.removal }
      if (token.revokedAtMs !== null) return { kind: 'revoked' }
      if (nowMs >= token.expiresAtMs) return { kind: 'expired' }
      if (token.redemptions.length >= token.maxUses) return { kind: 'used' }
      await this.#replace({ ...token, redemptions: [...token.redemptions, { nodeKey, nodeId, atMs: nowMs, removal }] })
      return { kind: 'redeemed', repeated: false, removal }
    })
  }

  #replace(token: RingToken): Promise<void> {
    return this.#keep([...this.#tokens.values()].map((one) => (one.tokenKey === token.tokenKey ? token : one)))
  }

  async #keep(tokens: RingToken[]): Promise<void> {
    await this.#save({ version: 1, fingerprint: this.#ring.fingerprint, tokens })
    this.#tokens = new Map(tokens.map((token) => [token.tokenKey, token]))
  }

  #inTurn<T>(change: () => Promise<T>): Promise<T> {
    const run = this.#last.then(change, change)
    this.#last = run.catch(() => {})
    return run
  }
}
