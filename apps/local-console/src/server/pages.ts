import { Server } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import next from 'next'

export interface Pages {
  handle(request: IncomingMessage, response: ServerResponse): Promise<void>
  /** Hot reload while developing; false: nobody takes it. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): boolean
  close(): Promise<void>
}

/**
 * Next, behind our own server. Next hooks `upgrade` on the server it is told of, at its first request: a server that never listens takes
 * that hook, and only hot reload is handed on.
 */
export async function openPages(dir: string, dev: boolean): Promise<Pages> {
  const decoy = new Server()
  const app = next({ dev, dir, hostname: '127.0.0.1', port: 0, httpServer: decoy })
  await app.prepare()
  const handle = app.getRequestHandler()
  return {
    handle,
    upgrade: (request, socket, head) => dev && decoy.emit('upgrade', request, socket, head),
    close: () => app.close(),
  }
}
