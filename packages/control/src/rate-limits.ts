import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible'

import { hmacSha256, randomBytes } from './keys.ts'

/** Points per window, in seconds. */
export type Limit = { points: number; durationSeconds: number }
export type RateLimits = {
  /** All requests of one address. */
  address: Limit
  /** Requests for joining and renewing, of all addresses together. */
  everyone: Limit
  /** Requests of one address that failed to prove anything (a stranger's 401s). */
  failures: Limit
}
export const DEFAULT_RATE_LIMITS: RateLimits = {
  address: { points: 600, durationSeconds: 60 },
  everyone: { points: 6000, durationSeconds: 60 },
  failures: { points: 20, durationSeconds: 300 },
}

/** Addresses share so many counters: the memory is bounded, and no flood of addresses pushes another's count out. */
const BUCKETS = 16_384

/**
 * Rate limits in memory. An address is reduced to one of 16,384 counters by a keyed hash made at start, so nobody can choose whom to
 * share with; IPv6 counts by /64, because one machine owns that many addresses.
 */
export class RateLimiter {
  readonly #secret = randomBytes(32)
  readonly #address: RateLimiterMemory
  readonly #everyone: RateLimiterMemory
  readonly #failures: RateLimiterMemory

  constructor(limits: RateLimits = DEFAULT_RATE_LIMITS) {
    this.#address = counter(limits.address)
    this.#everyone = counter(limits.everyone)
    this.#failures = counter(limits.failures)
  }

  /** Counts a request. @returns seconds to wait when it is over a limit, else null. */
  async admit(address: string, options: { open: boolean }): Promise<number | null> {
    const waitSeconds = await consume(this.#address, this.#bucket(address))
    if (waitSeconds !== null || !options.open) return waitSeconds
    return consume(this.#everyone, 'all')
  }

  /** Has this address failed too often? @returns seconds to wait, else null. */
  async blocked(address: string): Promise<number | null> {
    const found = await this.#failures.get(this.#bucket(address))
    return found !== null && found.consumedPoints >= this.#failures.points ? seconds(found) : null
  }

  /** Counts a failed proof. @returns seconds to wait when it was one too many, else null. */
  fail(address: string): Promise<number | null> {
    return consume(this.#failures, this.#bucket(address))
  }

  #bucket(address: string): string {
    const digest = hmacSha256(this.#secret, network(address))
    return String(digest.readUInt32BE(0) % BUCKETS)
  }
}

/** An IPv4 address as it is (also when mapped into IPv6), an IPv6 address by its first four groups. */
export function network(address: string): string {
  const plain = address.replace(/%.*$/, '').toLowerCase()
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(plain)
  if (mapped?.[1] !== undefined) return mapped[1]
  if (!plain.includes(':')) return plain
  const [head = '', tail] = plain.split('::')
  const left = head === '' ? [] : head.split(':')
  const right = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - left.length - right.length)
  return [...left, ...Array.from({ length: zeros }, () => '0'), ...right]
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ''))
    .join(':')
}

const counter = ({ points, durationSeconds }: Limit): RateLimiterMemory => new RateLimiterMemory({ points, duration: durationSeconds })

async function consume(limiter: RateLimiterMemory, key: string): Promise<number | null> {
  try {
    await limiter.consume(key)
    return null
  } catch (error) {
    if (error instanceof RateLimiterRes) return seconds(error)
    throw error
  }
}

const seconds = (result: RateLimiterRes): number => Math.max(1, Math.ceil(result.msBeforeNext / 1000))
