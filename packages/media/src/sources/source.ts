import type { CameraFacts, VideoMode } from '@thatdam/protocol/facts'
import type { CameraTrouble } from '../ffmpeg/reasons.ts'

/** How ffmpeg is to open a camera. */
export interface FfmpegInput {
  /** Up to and with `-i <what>`. An argv array: names with blanks or shell characters are just names. */
  readonly args: readonly string[]
  /** The stream is H.264 and goes into the recording as it is. */
  readonly copy: boolean
  /** What is asked of the device; null when only the stream will tell. */
  readonly width: number | null
  readonly height: number | null
  readonly fps: number | null
  /** A stream that ends by itself: begin again at once (a file), or treat it as a camera that went away. */
  readonly atEnd: 'again' | 'gone'
}

/** One kind of camera. A new kind is a folder with a source.ts of this shape, and a line in registry.ts. */
export interface CameraSource {
  readonly kind: CameraFacts['kind']
  /** For people and logs: what is opened, never with a password. */
  describe(camera: CameraFacts): string
  /** Null when it can be opened now, as far as can be told without opening. Cheap: asked every second while it is away. */
  missing(camera: CameraFacts): Promise<CameraTrouble | null>
  /**
   * Only of a kind whose name alone may open something else: asked right before opening. The device's index of this moment, null when the
   * name is enough, or why it cannot be opened. Dear: it starts a program.
   */
  deviceIndex?(camera: CameraFacts, ffmpegPath: string): Promise<number | null | CameraTrouble>
  /** `deviceIndex`: what the question above was answered; null: none. */
  ffmpegInput(camera: CameraFacts, mode: VideoMode | null, deviceIndex?: number | null): FfmpegInput
}
