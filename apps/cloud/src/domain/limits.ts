import { ThatdamError } from '@thatdam/protocol/errors'
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible'

/** Attempts a person needs are far below these; guessing a password is hopeless with them. Counted in memory, forgotten after `duration` s. */
const SIGN_IN = {
  pair: new RateLimiterMemory({ keyPrefix: 'pair', points: 10, duration: 600 }),
  peer: new RateLimiterMemory({ keyPrefix: 'peer', points: 60, duration: 600 }),
  account: new RateLimiterMemory({ keyPrefix: 'account', points: 100, duration: 3600 }),
}
const SIGN_UP = new RateLimiterMemory({ keyPrefix: 'sign-up', points: 20, duration: 3600 })
const TOKENS = new RateLimiterMemory({ keyPrefix: 'tokens', points: 120, duration: 3600 })

export class TooManyRequests extends ThatdamError {
  readonly retryAfterSeconds: number
  constructor(retryAfterSeconds: number) {
    const wait = retryAfterSeconds >= 120 ? `${Math.ceil(retryAfterSeconds / 60)} minutes` : `${retryAfterSeconds} seconds`
    super('TOO_MANY_REQUESTS', `Too many attempts. Wait ${wait}, then try again.`)
    this.retryAfterSeconds = retryAfterSeconds
  }
}

async function consume(limiter: RateLimiterMemory, key: string): Promise<void> {
  try {
    await limiter.consume(key)
  } catch (error) {
    if (error instanceof RateLimiterRes) throw new TooManyRequests(Math.max(1, Math.ceil(error.msBeforeNext / 1000)))
    throw error
  }
}

/** `peer` is the socket's other end, or what a trusted proxy says: never a header that a client may write (THREATS 3). */
export const limits = {
  /** @throws TooManyRequests */
  async signIn(peer: string, email: string): Promise<void> {
    await consume(SIGN_IN.pair, `${peer} ${email}`)
    await consume(SIGN_IN.peer, peer)
    await consume(SIGN_IN.account, email)
  },
  /** A person who got in is no guesser. */
  async signedIn(peer: string, email: string): Promise<void> {
    await Promise.all([SIGN_IN.pair.delete(`${peer} ${email}`), SIGN_IN.account.delete(email), SIGN_IN.peer.reward(peer)])
  },
  /** @throws TooManyRequests */
  signUp: (peer: string): Promise<void> => consume(SIGN_UP, peer),
  /** @throws TooManyRequests */
  makeToken: (userId: string): Promise<void> => consume(TOKENS, userId),
}
export type Limits = typeof limits
