import * as z from 'zod/mini'
import { CameraFacts, type NodeFacts } from '@thatdam/protocol/facts'
import { readJson, writeFileDurable } from '@thatdam/store/durable'

const KEPT_MS = 7 * 24 * 3600_000
const CAMERAS_MAX = 64
/** How old the date of a camera that is there may get on the disk: each write wears a memory card. */
const DATE_MS = 6 * 3600_000

const Known = z.object({ camera: CameraFacts, seenAtMs: z.number() })
type Known = z.infer<typeof Known>
const File = z.object({ version: z.literal(1), cameras: z.array(Known).check(z.maxLength(CAMERAS_MAX)) })

/**
 * Cameras that this machine has, and had in the last seven days (`cameras.json`). One that was unplugged stays in the facts, so that the
 * camera service goes on for the others' viewers and shows it as gone, and finds it again by itself.
 */
export class KnownCameras {
  private readonly path: string
  private known: Known[]

  private constructor(path: string, known: Known[]) {
    this.path = path
    this.known = known
  }

  /** A damaged file is a lost memory, no more. */
  static async open(path: string): Promise<KnownCameras> {
    const file = await readJson(path, File).catch(() => null)
    return new KnownCameras(path, file?.cameras ?? [])
  }

  /** Takes in what was found now; the list changes only where a camera is new, changed, or away for too long. */
  async found(cameras: readonly CameraFacts[], nowMs: number): Promise<void> {
    const next = mergeCameras(this.known, cameras, nowMs)
    const changed = steady(next) !== steady(this.known)
    this.known = next
    if (changed) await writeFileDurable(this.path, `${JSON.stringify({ version: 1, cameras: next })}\n`)
  }

  /** These facts with all known cameras, each by the name that a person gave it, else its own. */
  in(facts: NodeFacts, names: ReadonlyMap<string, string>): NodeFacts {
    if (this.known.length === 0 && facts.cameras.length === 0) return facts
    return { ...facts, cameras: this.known.map(({ camera }) => ({ ...camera, name: names.get(camera.cameraId) || camera.name })) }
  }
}

/** What is worth a write. */
function steady(known: readonly Known[]): string {
  return JSON.stringify(known.map(({ camera, seenAtMs }) => [camera, Math.floor(seenAtMs / DATE_MS)]))
}

/** Exported for its test: order stays, new cameras come last, the oldest of those away give way. */
export function mergeCameras(known: readonly Known[], cameras: readonly CameraFacts[], nowMs: number): Known[] {
  const now = new Map(cameras.map((camera) => [camera.cameraId, camera]))
  const kept = known.flatMap((one): Known[] => {
    const found = now.get(one.camera.cameraId)
    now.delete(one.camera.cameraId)
    // A camera that is in use may refuse to tell its modes.
    if (found) return [{ camera: found.modes.length === 0 ? { ...found, modes: one.camera.modes } : found, seenAtMs: nowMs }]
    const isKept = one.camera.kind !== 'test' && nowMs - one.seenAtMs < KEPT_MS
    return isKept ? [{ ...one, seenAtMs: Math.min(one.seenAtMs, nowMs) }] : []
  })
  const all = [...kept, ...[...now.values()].map((camera) => ({ camera, seenAtMs: nowMs }))]
  const surplus = all.length - CAMERAS_MAX
  if (surplus <= 0) return all
  const leaving = new Set(all.toSorted((a, b) => a.seenAtMs - b.seenAtMs).slice(0, surplus))
  return all.filter((one) => !leaving.has(one))
}
