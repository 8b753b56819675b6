import { exiftoolPath } from 'exiftool-vendored'
import type { Tags } from './taken-at.ts'
import { runTool, ToolError } from './tool.ts'

/*
 * exiftool reads many files in one run three times faster than one by one in its resident mode, and a run that ends takes its memory and
 * its mistakes along. Files that ask within a moment of each other share a run; one run at a time.
 */

const BATCH_MAX = 64
/** How long the first file of a batch waits for others. */
const GATHER_MS = 15
const TIMEOUT_MS = 20_000
const TIMEOUT_PER_FILE_MS = 500
const OUTPUT_MAX_BYTES = 16 * 1024 * 1024
const MEMORY_MAX_BYTES = 2 * 1024 ** 3

const TAGS = `FileType MIMEType Error Orientation Rotation ImageWidth ImageHeight ExifImageWidth ExifImageHeight
  SubSecDateTimeOriginal DateTimeOriginal CreateDate CreationDate ContentCreateDate MediaCreateDate DateCreated
  OffsetTime OffsetTimeOriginal OffsetTimeDigitized Make Model LensModel Lens GPSLatitude GPSLongitude
  Duration VideoFrameRate StartTimecode CompressorName HandlerDescription`
  .split(/\s+/)
  .map((tag) => `-${tag}`)

interface Waiting {
  readonly path: string
  readonly resolve: (tags: Tags) => void
  readonly reject: (error: Error) => void
}

/** Reads metadata. At most as many files wait here as the caller has under way (the indexer: 128). */
export class ExifReader {
  private readonly waiting: Waiting[] = []
  private readonly signal: AbortSignal
  private running = false
  private program: Promise<string> | null = null

  constructor(signal: AbortSignal) {
    this.signal = signal
  }

  /**
   * `path`: absolute, without line ends. Resolves with the tags of the file, `Error` among them when it is no media.
   * @throws ToolError when exiftool cannot run here or breaks its limits on this file.
   */
  read(path: string): Promise<Tags> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ path, resolve, reject })
      if (this.running) return
      this.running = true
      setTimeout(() => void this.work(), GATHER_MS)
    })
  }

  private async work(): Promise<void> {
    while (this.waiting.length > 0) {
      const batch = this.waiting.splice(0, BATCH_MAX)
      try {
        await this.run(batch)
      } catch (error) {
        // One bad file spoils a run: each has its own then, so that the others are read all the same.
        if (batch.length === 1 || (error instanceof ToolError && error.kind !== 'timeout' && error.kind !== 'output')) fail(batch, error)
        else for (const one of batch) await this.run([one]).catch((alone: unknown) => fail([one], alone))
      }
    }
    this.running = false
  }

  private async run(batch: readonly Waiting[]): Promise<void> {
    this.program ??= exiftoolPath()
    const args = ['-json', '-n', '-fast', '-q', '-q', '-api', 'LargeFileSupport=1', ...TAGS, '-charset', 'filename=utf8', '-@', '-']
    const output = await runTool(await this.program, args, {
      timeoutMs: TIMEOUT_MS + batch.length * TIMEOUT_PER_FILE_MS,
      outputMaxBytes: OUTPUT_MAX_BYTES,
      memoryMaxBytes: MEMORY_MAX_BYTES,
      stdin: Buffer.from(batch.map((one) => `${one.path}\n`).join('')),
      signal: this.signal,
    })
    const found = parseOutput(output.stdout.toString('utf8'))
    if (found === null) throw new ToolError('missing', `does not run here (${output.stderr.trim().slice(0, 200) || `exit ${output.code}`})`)
    const bySource = new Map(found.map((tags) => [sourceKey(String(tags['SourceFile'])), tags]))
    for (const one of batch) one.resolve(bySource.get(sourceKey(one.path)) ?? { Error: 'exiftool could not read this file' })
  }
}

/** On Windows exiftool names a file with slashes, however it was asked for; elsewhere a backslash is a letter like others. */
export function sourceKey(path: string, platform: NodeJS.Platform = process.platform): string {
  return platform === 'win32' ? path.replaceAll('\\', '/') : path
}

function fail(batch: readonly Waiting[], error: unknown): void {
  for (const one of batch) one.reject(error instanceof Error ? error : new Error(String(error)))
}

/** exiftool prints nothing when no file of a run was readable; null when what it prints is not its JSON. */
function parseOutput(text: string): Tags[] | null {
  if (text.trim() === '') return []
  try {
    const parsed: unknown = JSON.parse(text)
    return Array.isArray(parsed) ? parsed.filter((one): one is Tags => typeof one === 'object' && one !== null) : null
  } catch {
    return null
  }
}
