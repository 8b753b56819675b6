import { UNAUTHENTICATED_BODY } from '@thatdam/protocol/errors'
import { RingHelloResponse, type RingJoinRequest, RingJoinResponse, RingTokensFile } from '@thatdam/protocol/ring-join'
import { describe, expect, test } from 'vitest'
import type { Answer } from './http-io.ts'
import { generateKey, type KeyPair, randomBytes } from './keys.ts'
import { RateLimiter } from './rate-limits.ts'
import { buildRingHello, buildRingJoinRequest, verifyRingHello, verifyRingJoinResponse } from './ring-join.ts'
import { handleRingHello, handleRingJoin, type RingAuditEvent, type RingJoinContext } from './ring-join-server.ts'
import { RingTokenBook } from './ring-tokens.ts'
import { nameOwnerKey, raise, remove } from './roster-edit.ts'
import { RosterKeeper } from './roster-keeper.ts'
import { recordHash } from './roster.ts'
import { sampleGenesis } from './testing/samples.ts'
import { parseToken } from './token.ts'

const NOW = 1_800_000_000_000
const WIDE = { points: 1_000_000, durationSeconds: 60 }
const breath = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** An admitter with its disk in memory: what is written there is read back as a restart does. */
class Admitter {
  readonly key: KeyPair
  readonly ring: RosterKeeper
  readonly events: RingAuditEvent[] = []
  readonly nonceSecret = randomBytes(32)
  tokens: RingTokenBook
  disk = 'null'
  isDiskFull = false
  nowMs = NOW
  limiter = new RateLimiter({ address: WIDE, everyone: WIDE, failures: WIDE })

  constructor(key: KeyPair = generateKey(), ring?: RosterKeeper) {
    this.key = key
    const genesis = sampleGenesis(key, 'founder')
    this.ring = ring ?? new RosterKeeper({ fingerprint: recordHash(genesis.body), records: [genesis], save: breath })
    this.tokens = this.openTokens()
  }

  openTokens(): RingTokenBook {
    const { fingerprint, roster } = this.ring
    const known = RingTokensFile.safeParse(JSON.parse(this.disk))
    return new RingTokenBook({ clusterId: roster.clusterId, fingerprint }, known.success ? known.data : null, async (file) => {
      await breath()
      if (this.isDiskFull) throw new Error('ENOSPC')
      this.disk = JSON.stringify(RingTokensFile.parse(file))
    })
  }

  get context(): RingJoinContext {
    const { key, ring, tokens, nonceSecret, limiter, nowMs } = this
    return { node: key, ring, tokens, nonceSecret, limiter, nowMs, audit: (event) => this.events.push(event), address: '192.168.1.9' }
  }

  async token(wish: { lifeMs?: number; uses?: number } = {}): Promise<string> {
    return (await this.tokens.mint({ nowMs: this.nowMs, ...wish })).text
  }

  async ask(text: string, machine: { key?: KeyPair; nodeId: string }): Promise<RingJoinRequest> {
    const token = parseToken(text)
    const sent = buildRingHello(token)
    const hello = RingHelloResponse.parse(bodyOf(await handleRingHello(sent, this.context)))
    const ring = verifyRingHello(hello, sent, token)
    return buildRingJoinRequest({ token, hello, ring, node: machine.key ?? generateKey(), nodeId: machine.nodeId, bootCounter: 1 })
  }

  join(request: RingJoinRequest): Promise<Answer> {
    return handleRingJoin(JSON.parse(JSON.stringify(request)), this.context)
  }
}

const bodyOf = (answer: Answer): unknown => JSON.parse(answer.body ?? 'null')
const codeOf = (answer: Answer): string => {
  if (answer.status < 400) return String(answer.status)
  const { error } = bodyOf(answer) as { error: { code: string; message: string } }
  expect(error.message).toMatch(/^[A-Z].*\.$/)
  return `${answer.status} ${error.code}`
}

describe('joining a ring with its token', () => {
  test('a machine gets all records and its admission, after the server proved itself from the token’s fingerprint', async () => {
    const founder = new Admitter()
    const pi = generateKey()
    await founder.join(await founder.ask(await founder.token(), { key: pi, nodeId: 'pi' }))
    await founder.ring.edit(founder.key, (desk) => raise(desk, 'pi'))
    const second = new Admitter(pi, founder.ring)
    const win = generateKey()
    const request = await second.ask(await second.token(), { key: win, nodeId: 'win' })
    const answer = RingJoinResponse.parse(bodyOf(await second.join(request)))
    const { roster, records } = verifyRingJoinResponse(answer, request)
    expect([...roster.members.keys()]).toEqual(['founder', 'pi', 'win'])
    expect(records[0]?.body.kind).toBe('genesis')
    expect(roster.members.get('win')).toMatchObject({ publicKey: win.publicKey, admitter: false, bootCounter: 1 })
    expect(second.events.map((event) => event.kind)).toEqual(['ring.join-accepted'])
    const hidden = {
      ...answer,
      records: answer.records.filter((record) => record.body.kind !== 'admission' || record.body.nodeId !== 'pi'),
    }
    expect(() => verifyRingJoinResponse(hidden, request)).toThrow('altered on its way')
  })

  test('500 tokens, each asked for by 50 machines at once: 500 winners, one for each, on disk too (THREATS 1)', async () => {
    const { fingerprint, roster } = new Admitter().ring
    let winners = 0
    for (let slice = 0; slice < 2; slice += 1) {
      let disk: RingTokensFile | null = null
      const tokens = new RingTokenBook({ clusterId: roster.clusterId, fingerprint }, null, async (file) => {
        await breath()
        disk = file
      })
      const minted = await Promise.all(Array.from({ length: 250 }, () => tokens.mint({ nowMs: NOW })))
      const calls = minted.flatMap(({ token: { tokenKey } }) => Array.from({ length: 50 }, (_, index) => ({ tokenKey, index })))
      const outcomes = await Promise.all(
        calls.map(({ tokenKey, index }) =>
          tokens.redeem({ tokenKey, nodeKey: `${tokenKey} ${index}`, nodeId: 'n', removal: null, nowMs: NOW }),
        ),
      )
      const won = outcomes.filter((outcome) => outcome.kind === 'redeemed').length
      expect(outcomes.filter((outcome) => outcome.kind === 'used')).toHaveLength(250 * 49)
      expect((disk as RingTokensFile | null)?.tokens.map((token) => token.redemptions.length)).toEqual(minted.map(() => 1))
      winners += won
    }
    expect(winners).toBe(500)
  })

  test('50 machines at once with one token, over the handlers: one 201, 49 × 401 that say it is used', async () => {
    const founder = new Admitter()
    const text = await founder.token()
    const requests = await Promise.all(Array.from({ length: 50 }, (_, index) => founder.ask(text, { nodeId: `n-${index}` })))
    const codes = (await Promise.all(requests.map((request) => founder.join(request)))).map(codeOf)
    expect(codes.filter((code) => code === '201')).toHaveLength(1)
    expect(codes.filter((code) => code === '401 TOKEN_USED')).toHaveLength(49)
    expect(founder.ring.roster.members.size).toBe(2)
  })

  test('repeated with the same key it is the same machine, also after the token is over and this one restarted', async () => {
    const founder = new Admitter()
    const text = await founder.token()
    const pi = { key: generateKey(), nodeId: 'pi' }
    const request = await founder.ask(text, pi)
    const answers = await Promise.all(Array.from({ length: 10 }, () => founder.join(request)))
    founder.nowMs += 3_600_000
    founder.tokens = founder.openTokens()
    answers.push(await founder.join(await founder.ask(text, pi)))
    expect(new Set(answers.map((answer) => `${answer.status} ${answer.body}`)).size).toBe(1)
    expect(founder.ring.records).toHaveLength(2)
  })

  test('a full disk takes nothing: neither a use nor a place', async () => {
    const founder = new Admitter()
    const text = await founder.token()
    const pi = { key: generateKey(), nodeId: 'pi' }
    founder.isDiskFull = true
    await expect(founder.join(await founder.ask(text, pi))).rejects.toThrow('ENOSPC')
    expect(founder.ring.roster.members.size).toBe(1)
    founder.isDiskFull = false
    expect(codeOf(await founder.join(await founder.ask(text, { nodeId: 'other' })))).toBe('201')
  })

  test('a crash between the token’s use and the admission: asking again ends it; a removal since is not undone by an old answer', async () => {
    const founder = new Admitter()
    const text = await founder.token()
    const pi = { key: generateKey(), nodeId: 'pi' }
    const request = await founder.ask(text, pi)
    const { tokenKey, nodeKey, nodeId } = request.transcript
    await founder.tokens.redeem({ tokenKey, nodeKey, nodeId, removal: null, nowMs: NOW })
    expect(codeOf(await founder.join(request))).toBe('201')
    await founder.ring.edit(founder.key, (desk) => remove(desk, 'pi'))
    expect(codeOf(await founder.join(await founder.ask(text, pi)))).toBe('401 NODE_REVOKED')
    expect(codeOf(await founder.join(await founder.ask(await founder.token(), pi)))).toBe('201')
    expect([...founder.ring.roster.members.keys()]).toEqual(['founder', 'pi'])
  })
})

describe('reasons (THREATS 2)', () => {
  test('who proves the seed gets the exact one', async () => {
    const founder = new Admitter()
    const refused = async (text: string, change: (request: RingJoinRequest) => RingJoinRequest = (same) => same): Promise<string> =>
      codeOf(await founder.join(change(await founder.ask(text, { nodeId: 'pi' }))))
    const late = await founder.token()
    const revoked = await founder.token()
    expect(await founder.tokens.revoke(parseToken(revoked).signer.publicKey, NOW)).toBe(true)
    expect(await refused(revoked)).toBe('401 TOKEN_REVOKED')
    founder.nowMs += 900_000
    expect(await refused(late)).toBe('401 TOKEN_EXPIRED')
    founder.nowMs -= 3_600_000
    expect(await refused(late)).toBe('401 CLOCK_SKEW')
    founder.nowMs = NOW
    const slow = await founder.ask(await founder.token(), { nodeId: 'pi' })
    founder.nowMs += 121_000
    expect(codeOf(await founder.join(slow))).toBe('409 CONFLICT')
    const other = await new Admitter().ask(await founder.token(), { nodeId: 'pi' }).catch((error: Error) => error.message)
    expect(other).toContain('not one that admits others to the ring of this join token')
    expect(await refused(await founder.token(), (request) => ({ ...request, nodeSignature: request.seedSignature }))).toBe(
      '400 BAD_REQUEST',
    )
    expect(founder.events.map((event) => event.kind)).toEqual(Array.from({ length: 5 }, () => 'ring.join-refused'))
  })

  test('a node id that is taken costs no use, and the sentence says what to do', async () => {
    const founder = new Admitter()
    const text = await founder.token()
    const key = generateKey()
    const answer = await founder.join(await founder.ask(text, { key, nodeId: 'founder' }))
    expect(bodyOf(answer)).toEqual({
      error: {
        code: 'CONFLICT',
        message: 'Another machine is already called founder. Choose another NODE_ID for this one, then join again.',
      },
    })
    expect(codeOf(await founder.join(await founder.ask(text, { key, nodeId: 'pi' })))).toBe('201')
  })

  test('strangers get one answer, the same bytes, whatever they tried; each is told of', async () => {
    const founder = new Admitter()
    const request = await founder.ask(await founder.token(), { nodeId: 'pi' })
    const pi = generateKey()
    await founder.join(await founder.ask(await founder.token(), { key: pi, nodeId: 'win' }))
    await founder.ring.edit(founder.key, (desk) => raise(desk, 'win'))
    const minter = new Admitter(pi, founder.ring)
    const elsewhere = await founder.ask(await minter.token(), { nodeId: 'pi' })
    const tries: RingJoinRequest[] = [
      elsewhere,
      { ...request, seedSignature: request.nodeSignature },
      { ...request, transcript: { ...request.transcript, nodeId: 'evil' } },
      { ...request, transcript: { ...request.transcript, serverKey: pi.publicKey } },
    ]
    const before = founder.events.length
    for (const attempt of tries) expect(await founder.join(attempt)).toEqual({ status: 401, body: UNAUTHENTICATED_BODY })
    expect(founder.events.slice(before).map((event) => event.kind)).toEqual(Array.from({ length: 4 }, () => 'ring.join-stranger'))
    expect(codeOf(await founder.join(request))).toBe('201')
  })

  test('guessing is slowed down (THREATS 3), and what is not a request is called so', async () => {
    const founder = new Admitter()
    founder.limiter = new RateLimiter({ address: WIDE, everyone: WIDE, failures: { points: 3, durationSeconds: 60 } })
    const request = await founder.ask(await founder.token(), { nodeId: 'pi' })
    const guess = { ...request, seedSignature: request.nodeSignature }
    const codes: string[] = []
    for (let time = 0; time < 5; time += 1) codes.push(codeOf(await founder.join(guess)))
    expect(codes).toEqual([
      '401 UNAUTHENTICATED',
      '401 UNAUTHENTICATED',
      '401 UNAUTHENTICATED',
      '429 TOO_MANY_REQUESTS',
      '429 TOO_MANY_REQUESTS',
    ])
    expect((await founder.join(request)).headers?.['retry-after']).toMatch(/^\d+$/)
    for (const body of [null, 'x', [], { version: 2 }, { ...request, transcript: null }]) {
      founder.limiter = new RateLimiter()
      expect([(await handleRingJoin(body, founder.context)).status, (await handleRingHello(body, founder.context)).status]).toEqual([
        400, 400,
      ])
    }
  })

  test('a plain member, a removed admitter and a wrong chain prove nothing', async () => {
    const founder = new Admitter()
    const pi = generateKey()
    const text = await founder.token()
    await founder.join(await founder.ask(await founder.token(), { key: pi, nodeId: 'pi' }))
    const worker = new Admitter(pi, founder.ring)
    const sent = buildRingHello(parseToken(text))
    expect(codeOf(await handleRingHello(sent, worker.context))).toBe('403 FORBIDDEN')
    const hello = RingHelloResponse.parse(bodyOf(await handleRingHello(sent, founder.context)))
    expect(hello.knowsToken).toBe(true)
    const token = parseToken(text)
    expect(() => verifyRingHello({ ...hello, serverKey: pi.publicKey }, sent, token)).toThrow('not one that admits others')
    expect(() => verifyRingHello(hello, { ...sent, clientNonce: 'x'.repeat(22) }, token)).toThrow('could not prove its key')
    expect(() => verifyRingHello(hello, sent, { ...token, scope: crypto.randomUUID() })).toThrow('not one that admits others')
    const request = await founder.ask(text, { nodeId: 'win' })
    await founder.ring.edit(founder.key, (desk) => nameOwnerKey(desk, worker.key.publicKey))
    await founder.ring.edit(worker.key, (desk) => remove(desk, 'founder'))
    expect(codeOf(await founder.join(request))).toBe('403 FORBIDDEN')
  })

  test('a dump of the file joins nobody, and tokens are bounded (THREATS 4)', async () => {
    const founder = new Admitter()
    const text = await founder.token({ uses: 3 })
    await founder.join(await founder.ask(text, { nodeId: 'pi' }))
    expect(founder.disk).not.toContain(text.split('.')[3])
    expect(founder.disk.replace(founder.ring.fingerprint, '')).not.toMatch(/[A-Za-z0-9_-]{44}/)
    expect(() => founder.tokens.mint({ nowMs: NOW, uses: 1001 })).toThrow('at most 30 days and 1,000 machines')
    for (let count = 1; count < 256; count += 1) await founder.token()
    await expect(founder.token()).rejects.toThrow('256 join tokens')
    founder.nowMs += 900_000 + 86_400_000
    await founder.token()
    expect(founder.tokens.list()).toHaveLength(1)
  })
})
