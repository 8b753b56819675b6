const END = Buffer.from([0xff, 0xd9])
const START = Buffer.from([0xff, 0xd8])
const LIMIT_BYTES = 8 << 20

/** Cuts a stream of JPEGs. In entropy-coded data FF is always followed by 00, so FF D9 ends a picture. Throws above 8 MiB. */
export class JpegSplitter {
  private held: Buffer = Buffer.alloc(0)
  private readonly onPicture: (jpeg: Buffer) => void

  constructor(onPicture: (jpeg: Buffer) => void) {
    this.onPicture = onPicture
  }

  push(chunk: Buffer): void {
    let searchFrom = Math.max(0, this.held.length - 1)
    this.held = this.held.length === 0 ? chunk : Buffer.concat([this.held, chunk])
    for (;;) {
      const end = this.held.indexOf(END, searchFrom)
      if (end < 0) break
      const picture = this.held.subarray(0, end + 2)
      const start = picture.indexOf(START)
      if (start >= 0) this.onPicture(picture.subarray(start))
      this.held = this.held.subarray(end + 2)
      searchFrom = 0
    }
    if (this.held.length > LIMIT_BYTES) throw new Error('a JPEG of more than 8 MiB')
  }
}
