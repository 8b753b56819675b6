import { decideType } from './kinds.ts'
import { MediaReader, type MediaReaderOptions, type Probed } from './media-reader.ts'
import { OddNames } from './odd-names.ts'

export interface ProbeOptions extends MediaReaderOptions {
  /** This process's own folder for links. */
  readonly linkFolder: string
}

/** Tells what a file is. Whatever fails, the answer has what is known. */
export class Prober {
  private readonly reader: MediaReader
  private readonly names: OddNames

  constructor(options: ProbeOptions) {
    this.reader = new MediaReader(options)
    this.names = new OddNames(options.linkFolder)
  }

  /** Said once, on the page: metadata is poor because a program is missing. */
  get missingTool(): string | null {
    return this.reader.missingTool
  }

  /** Null: no media at all. `head`: its first bytes. */
  async probe(absolute: Buffer, name: Buffer, head: Buffer): Promise<Probed | null> {
    const { type, problem } = decideType(name, head)
    if (!type) return null
    const named = this.names.name(absolute)
    try {
      const probed = await this.reader.read(named.path, type, head)
      return { ...probed, problem: problem ?? probed.problem }
    } finally {
      named.release()
    }
  }

  close(): void {
    this.names.close()
  }
}
