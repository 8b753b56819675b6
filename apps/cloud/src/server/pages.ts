import { type IncomingMessage, Server, type ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import next from 'next'

/** Next's pages behind our own server. */
export class Pages {
  readonly #dev: boolean
  /** Next puts an upgrade listener on the server it is given at its first request; this one never listens, so that ours stays ours. */
  readonly #decoy = new Server()
  readonly #app: ReturnType<typeof next>
  #handle: ((request: IncomingMessage, response: ServerResponse) => Promise<void>) | undefined

  constructor(options: { dev: boolean; dir: string }) {
    this.#dev = options.dev
    this.#app = next({ dev: options.dev, dir: options.dir, httpServer: this.#decoy, quiet: true })
  }

  async prepare(): Promise<void> {
    await this.#app.prepare()
    this.#handle = this.#app.getRequestHandler()
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (this.#handle === undefined) throw new Error('the pages are not prepared')
    await this.#handle(request, response)
  }

  /** Only development has a socket of Next's: its reloading. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    if (this.#dev && request.url?.startsWith('/_next/') && this.#decoy.emit('upgrade', request, socket, head)) return
    // An upgraded socket is no longer the server's to close: not left to the client either.
    socket.end('HTTP/1.1 404 Not Found\r\nconnection: close\r\n\r\n', () => socket.destroy())
  }

  async close(): Promise<void> {
    await this.#app.close()
  }
}
