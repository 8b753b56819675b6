import { type Abuse, type AbuseContext, below, closed, noise, openSocket, workers, write } from './abuse.ts'

const WORKERS = 8

/** Bytes that are no HTTP and no TLS, or begin as if they were. */
export const abuse: Abuse = {
  name: 'garbage',
  on: ['http', 'tls'],
  run: (port, context) =>
    workers(WORKERS, context, async () => {
      const socket = await openSocket(port, context)
      await write(socket, bytesOf(context), context).catch(() => {})
      await closed(socket, 1_000, context)
    }),
}

function bytesOf({ random }: AbuseContext): Buffer {
  const body = noise(random, below(random, 4_096))
  const kind = below(random, 6)
  // A handshake's record that promises more than it holds, one that is too long, and one of an unknown kind.
  if (kind === 0) return Buffer.concat([Buffer.from([0x16, 3, 1, 0x40, 0]), body])
  if (kind === 1) return Buffer.concat([Buffer.from([0x16, 3, 3, 0xff, 0xff]), body])
  if (kind === 2) return Buffer.concat([Buffer.from([below(random, 256), 3, below(random, 5), 0, body.length & 255]), body])
  if (kind === 3) return Buffer.concat([Buffer.from('GET /\0 HTTP/1.1\r\nhost: '), body])
  if (kind === 4) return Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), body])
  return body
}
