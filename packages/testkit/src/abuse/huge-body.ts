import { type Abuse, type AbuseContext, type AbusedPort, below, closed, openStream, workers, write } from './abuse.ts'

const WORKERS = 4
const PIECE = Buffer.alloc(64 * 1024, '[')
const MEGABYTES = 10

/** Bodies of ten megabytes, of a promised gigabyte, and without an end: announcements and records as nobody would make them. */
export const abuse: Abuse = {
  name: 'huge-body',
  on: ['http', 'tls'],
  run: (port, context) =>
    workers(WORKERS, context, async () => {
      const stream = await openStream(port, context)
      stream.on('error', () => {})
      stream.resume()
      await send(stream, port, context).catch(() => {})
      await closed(stream, 500, context)
    }),
}

async function send(stream: Parameters<typeof write>[0], port: AbusedPort, context: AbuseContext): Promise<void> {
  const path = port.paths[below(context.random, port.paths.length)] ?? '/'
  const isChunked = context.random() < 0.5
  const length = isChunked ? 'transfer-encoding: chunked' : `content-length: ${context.random() < 0.5 ? MEGABYTES * 2 ** 20 : 2 ** 30}`
  const head = `POST ${path} HTTP/1.1\r\nhost: ${port.address}:${port.port}\r\ncontent-type: application/json\r\n${length}\r\n\r\n`
  await write(stream, head, context)
  for (let sent = 0; sent < MEGABYTES * 2 ** 20 && !context.signal.aborted; sent += PIECE.length) {
    if (isChunked) await write(stream, `${PIECE.length.toString(16)}\r\n`, context)
    await write(stream, PIECE, context)
    if (isChunked) await write(stream, '\r\n', context)
  }
  context.count('bodies')
}
