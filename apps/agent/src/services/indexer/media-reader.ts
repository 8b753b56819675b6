import { extname } from 'node:path'
import type { MediaInfo } from '@thatdam/protocol/ops'
import { ExifReader } from './exiftool.ts'
import { ffprobe } from './ffprobe.ts'
import { readJpegTags } from './jpeg.ts'
import type { MediaType } from './kinds.ts'
import { Lanes } from './lanes.ts'
import { combine, fromExiftool, fromFfprobe, type ProbedStreams, type ProbedTags } from './media-info.ts'
import type { Tags } from './taken-at.ts'
import { ToolError } from './tool.ts'

export interface Probed {
  readonly kind: MediaType['kind']
  readonly media: MediaInfo
  /** The file is an asset all the same, but something is wrong with it: one sentence. */
  readonly problem: string | null
}

export interface MediaReaderOptions {
  readonly ffprobePath: string | null
  readonly maxParallel: number
  readonly signal: AbortSignal
}

/** What media files say of themselves. Whatever fails, the answer has what is known: `isUnread` without a problem is a program that is missing. */
export class MediaReader {
  private readonly options: MediaReaderOptions
  private readonly exif: ExifReader
  private readonly lanes: Lanes
  /** Said once, on the page: metadata is poor because a program is missing. */
  missingTool: string | null = null

  constructor(options: MediaReaderOptions) {
    this.options = options
    this.exif = new ExifReader(options.signal)
    this.lanes = new Lanes(options.maxParallel)
    if (options.ffprobePath === null) this.missingTool = `ffmpeg is missing: ${WITHOUT_FFPROBE} until it is installed, ${OR_ELSEWHERE}.`
  }

  /** A film that lies elsewhere: exiftool, which reads files alone, adds nothing. `address` as `isFar`. */
  async readFar(address: string, type: MediaType): Promise<Probed> {
    const { value, problem } = await this.streams(address)
    return { ...combine(type, null, value), problem }
  }

  /** `path`: as a program can be given it (OddNames). `head`: its first bytes. */
  async read(path: string, type: MediaType, head: Buffer): Promise<Probed> {
    const [tags, streams] = await Promise.all([
      this.tags(path, type.mimeType === 'image/jpeg' ? readJpegTags(head) : null),
      type.kind === 'photo' ? noStreams() : this.streams(path),
    ])
    const { kind, media } = combine(type, tags.value, streams.value)
    return { kind, media, problem: streams.problem ?? photoProblem(type.kind, media, tags) }
  }

  /** `known`: what the file's head told already. */
  private async tags(path: string, known: Tags | null): Promise<Answer<ProbedTags>> {
    if (known) return { value: fromExiftool(known), problem: null }
    try {
      return { value: fromExiftool(await this.exif.read(path)), problem: null }
    } catch (error) {
      return { value: null, problem: this.toolProblem(error, 'exiftool', 'pictures are listed without camera, date and place') }
    }
  }

  private async streams(path: string): Promise<Answer<ProbedStreams>> {
    if (this.options.ffprobePath === null) return noStreams()
    try {
      const program = this.options.ffprobePath
      const result = await this.lanes.run(() => ffprobe(program, path, this.options.signal))
      if ('error' in result) return { value: null, problem: `This ${extname(path).slice(1) || 'media'} file is broken (${result.error}).` }
      const value = fromFfprobe(result.json)
      const empty = !value.hasVideo && !value.hasAudio
      return { value, problem: empty ? 'This file has neither picture nor sound that can be played.' : null }
    } catch (error) {
      return { value: null, problem: this.toolProblem(error, 'ffprobe', WITHOUT_FFPROBE) }
    }
  }

  /** A missing program is said once for all files; a limit that one file broke is that file's problem. */
  private toolProblem(error: unknown, tool: string, effect: string): string | null {
    if (!(error instanceof ToolError)) throw error
    if (error.kind === 'aborted') throw error
    if (error.kind === 'missing') {
      this.missingTool = `${tool} ${error.message}: ${effect} until that is mended, ${OR_ELSEWHERE}.`
      return null
    }
    return `This file is broken or meant to do harm: reading it ${error.message}.`
  }
}

const WITHOUT_FFPROBE = 'films and sounds are listed without their length'
const OR_ELSEWHERE = 'or another machine of the ring has read them'

interface Answer<T> {
  readonly value: T | null
  readonly problem: string | null
}

function noStreams(): Answer<ProbedStreams> {
  return { value: null, problem: null }
}

function photoProblem(kind: MediaType['kind'], media: MediaInfo, tags: Answer<ProbedTags>): string | null {
  if (kind !== 'photo' || media.mimeType === 'image/svg+xml') return null
  if (tags.problem !== null) return tags.problem
  if (tags.value?.error) return `This picture is broken (${tags.value.error}).`
  return tags.value && media.width === null ? 'This picture is broken: it does not say how large it is.' : null
}
