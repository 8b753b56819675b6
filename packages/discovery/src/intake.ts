import { ANNOUNCEMENT_BYTES_MAX, type AnnouncementBody, type DiscoveryMethodName } from '@thatdam/protocol/discovery'
import { type Verify, parseAnnouncement } from './announcement.ts'
import type { Found } from './method.ts'
import { Bucket, Buckets } from './rates.ts'
import type { Sightings } from './sightings.ts'

/** What one source may bring: a seed that tells of a whole ring at once fits in. */
const PER_SOURCE = { perSecond: 20, burst: 100, keysMax: 1_024 }
/** Signatures checked for strangers, about 0.1 ms each; members have their own small share, so that a flood cannot starve them. */
const VERIFIED_PER_SECOND = 100
const PER_MEMBER = { perSecond: 5, burst: 20, keysMax: 512 }

export interface IntakeOptions {
  readonly sightings: Sightings
  readonly verify: Verify
  readonly isMember: (publicKey: string) => boolean
  readonly ownKey: () => string
  readonly ttlMs: number
  readonly nowMs: () => number
}

export interface Judged {
  readonly publicKey: string
  readonly method: DiscoveryMethodName
  readonly outcome: 'found' | 'changed' | 'known' | 'goodbye'
}

/**
 * The one place where what came in is judged: rate of the source, size, shape, signature, age. Bytes that are already in the table are
 * only counted as heard again, which is nearly all of them nearly always.
 */
export class Intake {
  private readonly options: IntakeOptions
  private readonly sources = new Buckets(PER_SOURCE)
  private readonly members = new Buckets(PER_MEMBER)
  private readonly verifying: Bucket
  /** Since the start. */
  readonly counts = { taken: 0, limited: 0, malformed: 0, forged: 0, verified: 0 }

  constructor(options: IntakeOptions) {
    this.options = options
    this.verifying = new Bucket(VERIFIED_PER_SECOND, VERIFIED_PER_SECOND * 2, options.nowMs())
  }

  /** Null when nothing comes of it. */
  take(found: Found): Judged | null {
    const { sightings, ownKey, ttlMs, nowMs } = this.options
    const now = nowMs()
    if (found.bytes.length > ANNOUNCEMENT_BYTES_MAX || found.ageMs > ttlMs) return this.refuse('malformed')
    if (!this.sources.take(found.source ?? found.method, now)) return this.refuse('limited')
    const announcement = parseAnnouncement(found.bytes)
    if (announcement === null) return this.refuse('malformed')
    const { publicKey } = announcement.body
    if (publicKey === ownKey()) return null
    const known = sightings.announcementOf(publicKey)
    const same = known !== null && Buffer.compare(known.bytes, found.bytes) === 0
    if (!same) {
      const refusal = this.check(announcement.body, announcement.signature, now)
      if (refusal !== null) return this.refuse(refusal)
    }
    if (found.goodbye) {
      if (same) sightings.goodbye(publicKey, now)
      return same ? { publicKey, method: found.method, outcome: 'goodbye' } : null
    }
    const outcome = sightings.hear({
      announcement,
      bytes: found.bytes,
      method: found.method,
      source: found.source ?? found.method,
      interfaceName: found.interfaceName,
      contactMs: now - found.ageMs,
      // mDNS may have come through a repeater, whose address it is then.
      from: found.relayed || found.method === 'mdns' ? null : found.source,
    })
    if (outcome === null) return null
    this.counts.taken += 1
    return { publicKey, method: found.method, outcome }
  }

  private check(body: AnnouncementBody, signature: string, now: number): 'limited' | 'forged' | null {
    const { isMember, verify } = this.options
    const allowed = isMember(body.publicKey) ? this.members.take(body.publicKey, now) : this.verifying.take(now)
    if (!allowed) return 'limited'
    this.counts.verified += 1
    return verify('thatdam-announcement-v1', body, signature, body.publicKey) ? null : 'forged'
  }

  private refuse(why: 'limited' | 'malformed' | 'forged'): null {
    this.counts[why] += 1
    return null
  }
}
