import { RENDEZVOUS_TTL_MS, type RendezvousRequest, RendezvousResponse } from '@thatdam/protocol/rendezvous'
import type { Cloud } from './cloud.ts'

const CALL_LIMIT_MS = 20_000

/** @throws ThatdamError when the cloud is away, or does not allow it (any more). */
export async function meetAtCloud(cloud: Cloud, announcement: Uint8Array, ttlMs: number): Promise<{ bytes: Uint8Array; ageMs: number }[]> {
  const { least, most } = RENDEZVOUS_TTL_MS
  const body: RendezvousRequest = {
    version: 1,
    announcement: Buffer.from(announcement).toString('utf8'),
    ttlMs: Math.min(most, Math.max(least, Math.round(ttlMs))),
  }
  const answer = await cloud.call({ method: 'POST', path: '/agent/v1/rendezvous', body, timeoutMs: CALL_LIMIT_MS })
  const { announcements } = RendezvousResponse.parse(answer.body)
  return announcements.map(({ announcement: text, ageMs }) => ({ bytes: Buffer.from(text), ageMs }))
}
