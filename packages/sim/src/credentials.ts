import {
  beginRenewal,
  type decideRenewal,
  finishRenewal,
  NO_CREDENTIAL,
  type CredentialState,
  type RenewalRow,
} from '@thatdam/control/credentials'
import type { Chance } from './random.ts'

export type CredentialMessage =
  | { readonly kind: 'renew'; readonly nodeId: string; readonly sequence: number; readonly nonce: string; readonly sentAtMs: number }
  | { readonly kind: 'renewed'; readonly sequence: number }

/** What under test decides about access to the cloud; a planted fault replaces a part. */
export interface CredentialRules {
  readonly decide: typeof decideRenewal
  /** The nonce is on disk before the request goes out. */
  readonly isNonceDurable: boolean
}

const RENEW_MS = 8_000
const ASK_AGAIN_MS = 2_000
export const CLOUD = 'cloud'

/** A node's access to the cloud, and that of a copy of its disk. A renewal every few seconds, for an hour of a real one. */
export class SimCredential {
  /** On disk. */
  disk: CredentialState = NO_CREDENTIAL
  private nextAtMs = 0
  private readonly nodeId: string
  private readonly rules: CredentialRules
  private readonly chance: Chance

  constructor(nodeId: string, rules: CredentialRules, chance: Chance) {
    this.nodeId = nodeId
    this.rules = rules
    this.chance = chance
  }

  boot(worldMs: number): void {
    if (!this.rules.isNonceDurable) this.disk = { ...this.disk, pendingNonce: null }
    this.nextAtMs = worldMs + this.chance.whole(500, 3_000)
  }

  tick(worldMs: number): CredentialMessage | null {
    if (worldMs < this.nextAtMs) return null
    this.nextAtMs = worldMs + ASK_AGAIN_MS
    const asking = beginRenewal(this.disk, String(this.chance.draw()))
    this.disk = asking
    return { kind: 'renew', nodeId: this.nodeId, sequence: this.disk.sequence, nonce: asking.pendingNonce, sentAtMs: worldMs }
  }

  receive(message: CredentialMessage, worldMs: number): void {
    if (message.kind !== 'renewed') return
    const next = finishRenewal(this.disk, { version: 1, sequence: message.sequence, accessToken: 'a', expiresInSeconds: 3_600 }, worldMs)
    if (next === this.disk) return
    this.disk = next
    this.nextAtMs = worldMs + RENEW_MS * (0.75 + this.chance.draw() / 2)
  }
}

/** The cloud's side: a row for each node. */
export class SimCloud {
  private readonly rows = new Map<string, RenewalRow>()
  private readonly rules: CredentialRules

  constructor(rules: CredentialRules) {
    this.rules = rules
  }

  isFlagged(nodeId: string): boolean {
    return (this.rows.get(nodeId)?.lockedAtMs ?? null) !== null
  }

  /** The answer, if there is one. */
  receive(message: CredentialMessage, worldMs: number): CredentialMessage | null {
    if (message.kind !== 'renew') return null
    const { nodeId, sequence, nonce, sentAtMs } = message
    const row = this.rows.get(nodeId) ?? { sequence: 0, lastRequestNonce: null, lastSentAtMs: -1, lockedAtMs: null, revokedAtMs: null }
    const decision = this.rules.decide(row, { requestNonce: nonce, sequence, sentAtMs }, worldMs)
    if (decision.kind === 'lock') this.rows.set(nodeId, { ...row, lockedAtMs: decision.atMs })
    if (decision.kind === 'grant') {
      const granted = { sequence: decision.sequence, lastRequestNonce: decision.requestNonce, lastSentAtMs: decision.sentAtMs }
      this.rows.set(nodeId, { ...row, ...granted })
    }
    return decision.kind === 'grant' || decision.kind === 'repeat' ? { kind: 'renewed', sequence: decision.sequence } : null
  }
}
