import { readHeader } from './boxes.ts'
import { readFragmentTiming, readTrackInfo, type FragmentTiming, type TrackInfo } from './moof.ts'

export interface InitSegment {
  readonly bytes: Buffer
  readonly track: TrackInfo
}

export interface ParsedFragment {
  /** moof + mdat, with any styp, sidx or prft before them. */
  readonly bytes: Buffer
  readonly timing: FragmentTiming
}

export interface ParserHandlers {
  init(segment: InitSegment): void
  fragment(fragment: ParsedFragment): void
}

const LIMIT_BYTES: Readonly<Record<string, number>> = { mdat: 64 << 20 }
const OTHER_LIMIT_BYTES = 1 << 20

/**
 * Splits ffmpeg's fragmented MP4 on a pipe into the init segment and whole fragments. Holds at most one fragment (64 MiB + 1 MiB);
 * throws on anything larger or malformed, and is then of no more use: the caller ends that ffmpeg.
 */
export class FragmentParser {
  private chunks: Buffer[] = []
  private heldBytes = 0
  private neededBytes = 8
  private initParts: Buffer[] = []
  private parts: Buffer[] = []
  private track: TrackInfo | null = null
  private readonly handlers: ParserHandlers

  constructor(handlers: ParserHandlers) {
    this.handlers = handlers
  }

  push(chunk: Buffer): void {
    this.chunks.push(chunk)
    this.heldBytes += chunk.length
    while (this.heldBytes >= this.neededBytes) {
      const held = this.joined()
      const header = readHeader(held, 0)
      if (!header) {
        this.neededBytes = 16
        continue
      }
      if (header.sizeBytes < header.headerBytes || header.sizeBytes > (LIMIT_BYTES[header.type] ?? OTHER_LIMIT_BYTES))
        throw new Error(`MP4 box ${JSON.stringify(header.type)} of ${header.sizeBytes} bytes is not acceptable`)
      if (held.length < header.sizeBytes) {
        this.neededBytes = header.sizeBytes
        return
      }
      this.box(header.type, held.subarray(0, header.sizeBytes))
      this.chunks = [held.subarray(header.sizeBytes)]
      this.heldBytes = held.length - header.sizeBytes
      this.neededBytes = 8
    }
  }

  private joined(): Buffer {
    const only = this.chunks.length === 1 ? this.chunks[0] : undefined
    const joined = only ?? Buffer.concat(this.chunks)
    this.chunks = [joined]
    return joined
  }

  private box(type: string, bytes: Buffer): void {
    switch (type) {
      case 'ftyp':
        this.initParts = [bytes]
        return
      case 'moov': {
        const init = Buffer.concat([...this.initParts, bytes])
        this.track = readTrackInfo(init)
        this.initParts = []
        this.handlers.init({ bytes: init, track: this.track })
        return
      }
      case 'styp':
      case 'sidx':
      case 'prft':
      case 'moof':
        if (this.parts.length > 8) throw new Error('too many boxes before mdat')
        this.parts.push(bytes)
        return
      case 'mdat': {
        if (!this.track) throw new Error('media before the init segment')
        const fragment = Buffer.concat([...this.parts, bytes])
        this.parts = []
        this.handlers.fragment({ bytes: fragment, timing: readFragmentTiming(fragment, this.track) })
        return
      }
      default: // free, mfra: nothing that a player needs
    }
  }
}
