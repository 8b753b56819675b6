import * as z from 'zod/mini'
import { CameraFacts } from './facts.ts'
import { Bytes, CameraId, Sha256Hex, UnixMs } from './ids.ts'
import { MediaInfo } from './ops.ts'

/** What camera-proxy says about one camera. */
export const CameraStatus = z.object({
  camera: CameraFacts,
  state: z.enum(['starting', 'live', 'gone', 'busy', 'failed', 'waiting-ffmpeg']),
  /** One sentence when it is not live. */
  reason: z.string(),
  /** What the recording is made of: copied from the camera, or encoded by `encoder`. */
  codec: z.nullable(z.string()),
  encoder: z.nullable(z.string()),
  width: z.nullable(z.number()),
  height: z.nullable(z.number()),
  fps: z.nullable(z.number()),
  bitRate: z.nullable(z.number()),
  viewers: z.number(),
  /** Fragments now in the ring: [first, next). */
  firstFragment: z.number(),
  nextFragment: z.number(),
})
export type CameraStatus = z.infer<typeof CameraStatus>

export const CaptureState = z.enum(['starting', 'recording', 'sealing', 'sealed', 'failed'])
/** What capture-daemon says about one recording. */
export const CaptureStatus = z.object({
  captureId: z.string(),
  cameraId: CameraId,
  title: z.string(),
  state: CaptureState,
  reason: z.string(),
  startedAtMs: UnixMs,
  recordedMs: z.number(),
  sizeBytes: Bytes,
  gaps: z.number(),
  /** At the present rate; null when not known yet. */
  diskSecondsLeft: z.nullable(z.number()),
  /** Set once sealed. */
  sha256: z.nullable(Sha256Hex),
})
export type CaptureStatus = z.infer<typeof CaptureStatus>

/** GET /live/cameras/<cameraId>/fragments: what the ring holds, oldest first. */
export const FragmentIndex = z.object({
  generation: z.nullable(z.string()),
  first: z.number(),
  next: z.number(),
  fragments: z.array(
    z.object({
      number: z.number(),
      /** Names the init segment it belongs to. */
      generation: z.string(),
      key: z.boolean(),
      timeMs: UnixMs,
      durationMs: z.number(),
    }),
  ),
})
export type FragmentIndex = z.infer<typeof FragmentIndex>

export const CaptureStopReason = z.enum(['person', 'disk-full', 'camera-gone', 'crash', 'shutdown'])
export type CaptureStopReason = z.infer<typeof CaptureStopReason>

/**
 * A line of `captures/<captureId>/journal.jsonl`. Media lies beside it in `media-<part>.mp4`, an init segment and fragments on one
 * line of time; a part ends where the camera came back with another init segment.
 */
export const CaptureJournalEntry = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('begun'),
    version: z.literal(1),
    captureId: z.string(),
    cameraId: CameraId,
    title: z.string(),
    startedAtMs: UnixMs,
  }),
  z.object({ type: z.literal('part'), part: z.number(), startedAtMs: UnixMs }),
  /** Written after the fragment's bytes are on the disk. */
  z.object({ type: z.literal('fragment'), part: z.number(), number: z.number(), timeMs: UnixMs, durationMs: z.number(), endBytes: Bytes }),
  z.object({ type: z.literal('gap'), fromMs: UnixMs, toMs: UnixMs }),
  z.object({ type: z.literal('stopped'), endedAtMs: UnixMs, reason: CaptureStopReason }),
  /** A part became a blob. */
  z.object({ type: z.literal('sealed'), part: z.number(), sha256: Sha256Hex, sizeBytes: Bytes, media: MediaInfo }),
  /** Ops that the op-log has: `started`, `gap-0`, `stopped`, `part-0`. */
  z.object({ type: z.literal('told'), keys: z.array(z.string()).check(z.maxLength(1000)) }),
])
export type CaptureJournalEntry = z.infer<typeof CaptureJournalEntry>
