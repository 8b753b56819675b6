import { type Abuse, below, openStream, pause, workers, write } from './abuse.ts'

const CONNECTIONS = 8
const REQUESTS = 2_000

/** Asks thousands of times without ever reading an answer. */
export const abuse: Abuse = {
  name: 'slow-reader',
  on: ['http', 'tls'],
  run: (port, context) =>
    workers(CONNECTIONS, context, async () => {
      const stream = await openStream(port, context)
      stream.on('error', () => {})
      stream.pause()
      const path = port.paths[below(context.random, port.paths.length)] ?? '/'
      const request = `GET ${path} HTTP/1.1\r\nhost: ${port.address}:${port.port}\r\n\r\n`
      // It stops being taken once the other side has enough of it, so nobody waits for that.
      void write(stream, request.repeat(REQUESTS), context).catch(() => {})
      await pause(3_000, context.signal)
      stream.destroy()
    }),
}
