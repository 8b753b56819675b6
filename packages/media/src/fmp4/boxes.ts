/*
 * The few ISO base media boxes that fragmented MP4 of one video track needs (ISO/IEC 14496-12). Offsets are in bytes from the
 * start of the given buffer; every read is checked against the box's own end, because the bytes may come from a hostile file.
 */

export interface Box {
  readonly type: string
  /** Of the box's first header byte. */
  readonly start: number
  /** Of the payload. */
  readonly body: number
  readonly end: number
}

/** Boxes lying side by side in [start, end). Throws on a box that leaves its parent. */
export function* boxes(buffer: Buffer, start: number, end: number): Generator<Box> {
  let at = start
  while (at + 8 <= end) {
    const header = readHeader(buffer, at)
    if (header === null || header.sizeBytes < header.headerBytes || at + header.sizeBytes > end)
      throw new Error(`MP4 box at ${at} leaves its parent`)
    yield { type: header.type, start: at, body: at + header.headerBytes, end: at + header.sizeBytes }
    at += header.sizeBytes
  }
}

/** Null when the header is not whole yet. A size of 0 ("to the end of the file") is given as 0: the caller refuses it. */
export function readHeader(buffer: Buffer, at: number): { type: string; sizeBytes: number; headerBytes: number } | null {
  if (at + 8 > buffer.length) return null
  const short = buffer.readUInt32BE(at)
  const type = buffer.toString('latin1', at + 4, at + 8)
  if (short !== 1) return { type, sizeBytes: short, headerBytes: 8 }
  if (at + 16 > buffer.length) return null
  return { type, sizeBytes: Number(buffer.readBigUInt64BE(at + 8)), headerBytes: 16 }
}

export function findBox(buffer: Buffer, parent: Box, ...path: string[]): Box | null {
  let here: Box = parent
  for (const type of path) {
    let next: Box | null = null
    for (const box of boxes(buffer, here.body, here.end)) {
      if (box.type === type) {
        next = box
        break
      }
    }
    if (!next) return null
    here = next
  }
  return here
}

/** The whole buffer seen as a box, to search its top level. */
export function wholeOf(buffer: Buffer): Box {
  return { type: '', start: 0, body: 0, end: buffer.length }
}
