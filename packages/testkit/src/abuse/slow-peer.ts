import { createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type TlsOptions } from 'node:tls'
import type { AddressInfo } from 'node:net'

/** How a peer answers that never comes to an end. */
export const SLOW_ANSWERS = ['nothing', 'head', 'body', 'chunks', 'flood'] as const
export type SlowAnswer = (typeof SLOW_ANSWERS)[number]

export interface SlowPeer {
  readonly port: number
  /** Connections that are open now. */
  readonly open: number
  close(): Promise<void>
}

const EVERY_MS = 50
const HEAD = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n'
/** What comes at once, and then for ever. */
const ANSWERS: Readonly<Record<SlowAnswer, readonly [string, string]>> = {
  nothing: ['', ''],
  head: ['HTTP/1.1 200 OK\r\nx-slow: ', 'a'],
  body: [`${HEAD}content-length: 100000\r\n\r\n`, ' '],
  chunks: [`${HEAD}transfer-encoding: chunked\r\n\r\n`, '1\r\n \r\n'],
  flood: [`${HEAD}content-length: 100000000000\r\n\r\n`, '['.repeat(1 << 20)],
}

/** A server on 127.0.0.1 that takes every request and answers so. `tls`: with this certificate. */
export async function openSlowPeer(how: SlowAnswer, tls?: TlsOptions): Promise<SlowPeer> {
  const sockets = new Set<Socket>()
  const serve = (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    let timer: NodeJS.Timeout | undefined
    socket.once('close', () => {
      clearInterval(timer)
      sockets.delete(socket)
    })
    const [first, then] = ANSWERS[how]
    socket.once('data', () => {
      if (first !== '') socket.write(first)
      if (then !== '') timer = setInterval(() => socket.writableNeedDrain || socket.write(then), EVERY_MS)
    })
    socket.resume()
  }
  const server: Server = tls ? createTlsServer(tls, serve) : createServer(serve)
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  return {
    port: (server.address() as AddressInfo).port,
    get open() {
      return sockets.size
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}
