/*
 * What comes out of an attached container: frames of 8 bytes (stream, 0, 0, 0, length) and their payload; in the payload of stdout, lines
 * of log and lines that begin with RS, which are messages (stdio-channel.ts).
 */

const RECORD = 0x1e
const NEWLINE = 0x0a
const HEADER_BYTES = 8
const STDOUT = 1
/** A longer message is dropped: none of ours is. */
const MESSAGE_MAX_BYTES = 8 * 1024 * 1024

export interface StreamHandlers {
  readonly onLog: (data: Buffer) => void
  readonly onMessage: (text: string) => void
}

/** Takes chunks of any cut; keeps at most one message. */
export class ContainerStreams {
  private readonly handlers: StreamHandlers
  private header = Buffer.alloc(0)
  private remaining = 0
  private isStdout = false
  /** Parts of the message that is being read; null: we are in log. */
  private message: Buffer[] | null = null
  private messageBytes = 0

  constructor(handlers: StreamHandlers) {
    this.handlers = handlers
  }

  push(chunk: Buffer): void {
    let rest = chunk
    while (rest.length > 0) {
      if (this.remaining === 0) {
        const taken = rest.subarray(0, HEADER_BYTES - this.header.length)
        this.header = Buffer.concat([this.header, taken])
        rest = rest.subarray(taken.length)
        if (this.header.length < HEADER_BYTES) return
        this.isStdout = this.header[0] === STDOUT
        this.remaining = this.header.readUInt32BE(4)
        this.header = Buffer.alloc(0)
        continue
      }
      const payload = rest.subarray(0, this.remaining)
      this.remaining -= payload.length
      rest = rest.subarray(payload.length)
      if (this.isStdout) this.take(payload)
      else this.handlers.onLog(payload)
    }
  }

  private take(payload: Buffer): void {
    let rest = payload
    while (rest.length > 0) {
      if (this.message === null) {
        const at = rest.indexOf(RECORD)
        const log = at < 0 ? rest : rest.subarray(0, at)
        if (log.length > 0) this.handlers.onLog(log)
        if (at < 0) return
        this.message = []
        this.messageBytes = 0
        rest = rest.subarray(at + 1)
        continue
      }
      const end = rest.indexOf(NEWLINE)
      const part = end < 0 ? rest : rest.subarray(0, end)
      this.messageBytes += part.length
      if (this.messageBytes <= MESSAGE_MAX_BYTES) this.message.push(part)
      if (end < 0) return
      this.finish(this.message)
      rest = rest.subarray(end + 1)
    }
  }

  private finish(parts: readonly Buffer[]): void {
    this.message = null
    if (this.messageBytes <= MESSAGE_MAX_BYTES) this.handlers.onMessage(Buffer.concat(parts).toString('utf8'))
    else this.handlers.onLog(Buffer.from(`a message of ${this.messageBytes} bytes was dropped\n`))
  }
}
