import { type Abuse, below, openStream, pause, workers, write } from './abuse.ts'

const CONNECTIONS = 50
const BYTE_EVERY_MS = 500

/** A short body that takes for ever. */
export const abuse: Abuse = {
  name: 'slow-body',
  on: ['http', 'tls'],
  run: (port, context) =>
    workers(CONNECTIONS, context, async () => {
      const stream = await openStream(port, context)
      stream.on('error', () => {})
      stream.resume()
      const path = port.paths[below(context.random, port.paths.length)] ?? '/'
      const head = `POST ${path} HTTP/1.1\r\nhost: ${port.address}:${port.port}\r\ncontent-type: application/json\r\ncontent-length: 5000\r\n\r\n`
      await write(stream, head, context)
      while (!context.signal.aborted) {
        await write(stream, ' ', context)
        await pause(BYTE_EVERY_MS, context.signal)
      }
      stream.destroy()
    }),
}
