import { open } from 'node:fs/promises'
import { isUnread } from '@thatdam/protocol/ops'
import type { DerivativeJob } from '@thatdam/store/derivatives'
import { isFar } from '../indexer/ffprobe.ts'
import { HEAD_BYTES } from '../indexer/kinds.ts'
import type { MediaReader, Probed } from '../indexer/media-reader.ts'
import { NeedsProgram } from './picture.ts'

/**
 * What a source says of itself. What kind of file it is was told by whoever took it in, from its name and first bytes, for which no program is needed.
 * @throws NeedsProgram
 */
export async function read(path: string, { kind, mimeType }: DerivativeJob, reader: MediaReader): Promise<Probed> {
  const type = { kind, mimeType }
  const probed = isFar(path) ? await reader.readFar(path, type) : await reader.read(path, type, await headOf(path))
  // Nothing is wrong with it, and nothing is known: who would know is not here.
  if (probed.problem === null && isUnread({ assetKind: probed.kind, media: probed.media })) {
    throw new NeedsProgram(kind === 'photo' ? 'exiftool' : 'ffmpeg')
  }
  return probed
}

async function headOf(path: string): Promise<Buffer> {
  const handle = await open(path)
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0)
    return buffer.subarray(0, bytesRead)
  } finally {
    await handle.close()
  }
}
