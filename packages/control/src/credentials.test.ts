import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { issueAccessToken, issueHandoffToken, verifyAccessToken, verifyHandoffToken } from './access-node.ts'
import {
  beginRenewal,
  type CredentialState,
  decideRenewal,
  finishRenewal,
  NO_CREDENTIAL,
  type RenewalAsk,
  type RenewalDecision,
  type RenewalRow,
} from './credentials.ts'
import { generateKey } from './keys.ts'

const NOW = 1_800_000_000_000
const FRESH: RenewalRow = { sequence: 0, lastRequestNonce: null, lastSentAtMs: 0, lockedAtMs: null, revokedAtMs: null }

/** What a store does with a decision. */
function applied(row: RenewalRow, decision: RenewalDecision): RenewalRow {
  if (decision.kind === 'grant') {
    return { ...row, sequence: decision.sequence, lastRequestNonce: decision.requestNonce, lastSentAtMs: decision.sentAtMs }
  }
  return decision.kind === 'lock' ? { ...row, lockedAtMs: decision.atMs } : row
}
const answerOf = (sequence: number) => ({ version: 1 as const, accessToken: `t${sequence}`, expiresInSeconds: 3600, sequence })

describe('renewal', () => {
  test('a grant, its repetition, the next one', () => {
    const ask = { requestNonce: 'n1', sequence: 0, sentAtMs: NOW }
    const granted = decideRenewal(FRESH, ask, NOW)
    expect(granted).toEqual({ kind: 'grant', sequence: 1, requestNonce: 'n1', sentAtMs: NOW, ahead: false })
    const row = applied(FRESH, granted)
    expect(decideRenewal(row, { ...ask, sentAtMs: NOW + 5000 }, NOW + 5000)).toEqual({ kind: 'repeat', sequence: 1 })
    expect(decideRenewal(row, { requestNonce: 'n2', sequence: 1, sentAtMs: NOW + 6000 }, NOW + 6000)).toMatchObject({ sequence: 2 })
  })

  test('removed, locked, a wrong clock, a restored database', () => {
    const ask = { requestNonce: 'n1', sequence: 0, sentAtMs: NOW }
    expect(decideRenewal({ ...FRESH, revokedAtMs: 1, lockedAtMs: 1 }, ask, NOW)).toEqual({ kind: 'refuse', code: 'NODE_REVOKED' })
    expect(decideRenewal({ ...FRESH, lockedAtMs: 1 }, ask, NOW)).toEqual({ kind: 'refuse', code: 'NODE_LOCKED' })
    expect(decideRenewal(FRESH, { ...ask, sentAtMs: NOW - 600_001 }, NOW)).toEqual({ kind: 'refuse', code: 'CLOCK_SKEW' })
    expect(decideRenewal(FRESH, { ...ask, sequence: 41 }, NOW)).toMatchObject({ kind: 'grant', sequence: 42, ahead: true })
    expect(decideRenewal(FRESH, { ...ask, sequence: Number.MAX_SAFE_INTEGER }, NOW)).toMatchObject({ kind: 'lock' })
  })

  test('a request that was recorded and is shown again locks nobody out', () => {
    const first = { requestNonce: 'n1', sequence: 0, sentAtMs: NOW }
    let row = applied(FRESH, decideRenewal(FRESH, first, NOW))
    row = applied(row, decideRenewal(row, { requestNonce: 'n2', sequence: 1, sentAtMs: NOW + 1000 }, NOW + 1000))
    expect(decideRenewal(row, first, NOW + 2000)).toEqual({ kind: 'refuse', code: 'CONFLICT' })
  })

  type Step = 'begin' | 'send' | 'deliver' | 'duplicate' | 'crash-before-answer-is-kept' | 'lose-answer'
  const steps = fc.array(fc.constantFrom<Step>('begin', 'send', 'deliver', 'duplicate', 'crash-before-answer-is-kept', 'lose-answer'), {
    minLength: 1,
    maxLength: 120,
  })

  test('an honest node is never locked, whatever crashes, gets lost, comes twice or late', () => {
    fc.assert(
      fc.property(steps, (sequenceOfSteps) => {
        const run = new HonestNode()
        for (const step of sequenceOfSteps) run.take(step)
        expect(run.row.lockedAtMs).toBeNull()
        // And it can always go on.
        run.take('begin')
        run.take('send')
        run.take('deliver')
        expect(run.disk.sequence).toBe(run.row.sequence)
        expect(run.disk.pendingNonce).toBeNull()
      }),
      { numRuns: 2000 },
    )
  })

  test('two machines with one disk: found at the latest when both have renewed once more', () => {
    fc.assert(
      fc.property(fc.array(steps, { minLength: 1, maxLength: 3 }), fc.boolean(), (before, originalFirst) => {
        const original = new HonestNode()
        for (const step of before.flat()) original.take(step)
        const copy = new HonestNode(original)
        const [one, other] = originalFirst ? [original, copy] : [copy, original]
        let locked = false
        for (let round = 0; round < 3 && !locked; round += 1) {
          for (const machine of [one, other]) {
            machine.row = (machine === one ? other : one).row
            for (const step of ['begin', 'send', 'deliver'] as const) machine.take(step)
            const twin = machine === one ? other : one
            twin.row = machine.row
            twin.now = machine.now
            locked ||= machine.row.lockedAtMs !== null
          }
        }
        expect(locked).toBe(true)
      }),
    )
  })
})

let nonces = 0
class HonestNode {
  row: RenewalRow = FRESH
  now = NOW
  disk: CredentialState = NO_CREDENTIAL
  sent: RenewalAsk[] = []
  answers: number[] = []
  constructor(image?: HonestNode) {
    if (image !== undefined) Object.assign(this, { row: image.row, now: image.now, disk: image.disk })
  }
  take(step: string): void {
    this.now += 1000
    if (step === 'begin') this.disk = beginRenewal(this.disk, `n${(nonces += 1)}`)
    if (step === 'send' && this.disk.pendingNonce !== null) {
      const ask = { requestNonce: this.disk.pendingNonce, sequence: this.disk.sequence, sentAtMs: this.now }
      this.sent.push(ask)
      this.#serve(ask)
    }
    if (step === 'duplicate') for (const ask of this.sent.slice(-3)) this.#serve(ask)
    if (step === 'deliver')
      for (const sequence of this.answers.splice(0)) this.disk = finishRenewal(this.disk, answerOf(sequence), this.now)
    if (step === 'crash-before-answer-is-kept' || step === 'lose-answer') this.answers = []
  }
  #serve(ask: RenewalAsk): void {
    const decision = decideRenewal(this.row, ask, this.now)
    this.row = applied(this.row, decision)
    if (decision.kind === 'grant' || decision.kind === 'repeat') this.answers.push(decision.sequence)
  }
}

describe('tokens', () => {
  const instance = generateKey()
  const claims = { nodeId: 'pi', nodeKey: generateKey().publicKey, organisationId: 'org', expiresAtMs: NOW + 1000 }

  test('an access token is good until it expires, for this instance, unaltered', () => {
    const token = issueAccessToken(claims, instance)
    expect(verifyAccessToken(token, instance.publicKey, NOW)).toEqual(claims)
    expect(verifyAccessToken(token, instance.publicKey, NOW + 1000)).toBeNull()
    expect(verifyAccessToken(token, generateKey().publicKey, NOW)).toBeNull()
    for (let index = 0; index < token.length; index += 7) {
      const altered = token.slice(0, index) + (token[index] === 'A' ? 'B' : 'A') + token.slice(index + 1)
      expect(verifyAccessToken(altered, instance.publicKey, NOW)).toBeNull()
    }
    for (const junk of ['', '.', 'a.b', `${token}.x`, 'e30.e30', 'x'.repeat(5000)])
      expect(verifyAccessToken(junk, instance.publicKey, NOW)).toBeNull()
  })

  test('a hand-off is for one node and a minute, and is no access token', () => {
    const handoff = { handoffId: 'h1', nodeId: 'pi', nodeKey: claims.nodeKey, userId: 'u', email: 'a@b', expiresAtMs: NOW + 60_000 }
    const token = issueHandoffToken(handoff, instance)
    const expected = { instanceKey: instance.publicKey, nodeId: 'pi', nodeKey: claims.nodeKey, nowMs: NOW }
    expect(verifyHandoffToken(token, expected)).toEqual(handoff)
    expect(verifyHandoffToken(token, { ...expected, nodeId: 'other' })).toBeNull()
    expect(verifyHandoffToken(token, { ...expected, nodeKey: generateKey().publicKey })).toBeNull()
    expect(verifyHandoffToken(token, { ...expected, nowMs: NOW + 60_000 })).toBeNull()
    expect(verifyHandoffToken(issueHandoffToken({ ...handoff, expiresAtMs: NOW + 1e9 }, instance), expected)).toBeNull()
    expect(verifyAccessToken(token, instance.publicKey, NOW)).toBeNull()
  })
})
