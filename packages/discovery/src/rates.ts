/** A token bucket: `perSecond` on average, `burst` at once. Times are milliseconds of a clock that only goes forward. */
export class Bucket {
  private tokens: number
  private atMs: number
  private readonly perSecond: number
  private readonly burst: number

  constructor(perSecond: number, burst: number, nowMs: number) {
    this.perSecond = perSecond
    this.burst = burst
    this.tokens = burst
    this.atMs = nowMs
  }

  take(nowMs: number): boolean {
    this.tokens = Math.min(this.burst, this.tokens + ((nowMs - this.atMs) / 1000) * this.perSecond)
    this.atMs = nowMs
    if (this.tokens < 1) return false
    this.tokens -= 1
    return true
  }
}

/** One bucket a key, for at most `keysMax` keys: the longest unused goes first. */
export class Buckets {
  private readonly buckets = new Map<string, Bucket>()
  private readonly limits: { readonly perSecond: number; readonly burst: number; readonly keysMax: number }

  constructor(limits: { readonly perSecond: number; readonly burst: number; readonly keysMax: number }) {
    this.limits = limits
  }

  get size(): number {
    return this.buckets.size
  }

  take(key: string, nowMs: number): boolean {
    const bucket = this.buckets.get(key) ?? new Bucket(this.limits.perSecond, this.limits.burst, nowMs)
    // Re-inserted, so that iteration order is order of use.
    this.buckets.delete(key)
    this.buckets.set(key, bucket)
    if (this.buckets.size > this.limits.keysMax) {
      const oldest = this.buckets.keys().next()
      if (!oldest.done) this.buckets.delete(oldest.value)
    }
    return bucket.take(nowMs)
  }
}
