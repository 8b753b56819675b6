import * as z from 'zod/mini'
import { CameraFacts } from './facts.ts'
import { Bytes, CameraId, Sha256Hex, UnixMs } from './ids.ts'

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
