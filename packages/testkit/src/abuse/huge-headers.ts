import { type Abuse, below, closed, openStream, workers, write } from './abuse.ts'

const WORKERS = 4

/** Heads of a megabyte: one value, one address, ten thousand fields. */
export const abuse: Abuse = {
  name: 'huge-headers',
  on: ['http', 'tls'],
  run: (port, context) =>
    workers(WORKERS, context, async () => {
      const stream = await openStream(port, context)
      const host = `host: ${port.address}:${port.port}\r\n`
      const heads = [
        `GET / HTTP/1.1\r\n${host}x: ${'y'.repeat(1_000_000)}\r\n\r\n`,
        `GET /${'z'.repeat(1_000_000)} HTTP/1.1\r\n${host}\r\n`,
        `GET / HTTP/1.1\r\n${host}${'a: b\r\n'.repeat(10_000)}\r\n`,
        `GET / HTTP/1.1\r\n${host}cookie: ${'c=d; '.repeat(5_000)}\r\n\r\n`,
      ]
      await write(stream, heads[below(context.random, heads.length)] ?? '', context).catch(() => {})
      await closed(stream, 1_000, context)
    }),
}
