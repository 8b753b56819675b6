import * as z from 'zod/mini'
import { ANNOUNCEMENT_BYTES_MAX } from './discovery.ts'

/** Announcements given in one answer; the newest. */
export const RENDEZVOUS_MAX = 64
/** Shortest and longest life of an announcement that was left with the cloud. */
export const RENDEZVOUS_TTL_MS = { least: 45_000, most: 600_000 } as const

/** A signed announcement (discovery.ts), as the text that travels everywhere. */
const AnnouncementText = z.string().check(z.maxLength(ANNOUNCEMENT_BYTES_MAX))

/** POST /agent/v1/rendezvous: leaves this machine's announcement, in place of its last one, and brings those of the ring's other machines. */
export const RendezvousRequest = z.object({
  version: z.literal(1),
  /** Null: leaves none, only looks. */
  announcement: z.nullable(AnnouncementText),
  ttlMs: z.number().check(z.int(), z.minimum(RENDEZVOUS_TTL_MS.least), z.maximum(RENDEZVOUS_TTL_MS.most)),
})
export type RendezvousRequest = z.infer<typeof RendezvousRequest>
export const RendezvousResponse = z.object({
  version: z.literal(1),
  announcements: z
    .array(z.object({ announcement: AnnouncementText, ageMs: z.number().check(z.int(), z.nonnegative()) }))
    .check(z.maxLength(RENDEZVOUS_MAX)),
})
export type RendezvousResponse = z.infer<typeof RendezvousResponse>
