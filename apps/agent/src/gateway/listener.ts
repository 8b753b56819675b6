import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import type { IncomingMessage } from 'node:http'
import { ThatdamError } from '@thatdam/protocol/errors'
import { FairSockets, isLoopback } from '../fair-sockets.ts'
import { HEADERS_MAX } from '../pipelining.ts'

const PORTS_TRIED = 20
const CONNECTIONS_MAX = 512
const REBIND_TRIES = 40
const REBIND_WAIT_MS = 25

export type Bind = 'loopback' | 'lan'

export interface ListenerHandlers {
  readonly onRequest: RequestListener
  readonly onUpgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void
}

/** The door's listening socket: one port for the life of the agent, moved between loopback and all interfaces while requests go on. */
export class Listener {
  private readonly handlers: ListenerHandlers
  private readonly sockets = new FairSockets(CONNECTIONS_MAX)
  private server: Server | null = null
  /** Those that no longer accept, but still answer what they had accepted. */
  private readonly retired: Server[] = []
  private bindNow: Bind = 'loopback'
  private portNow = 0

  constructor(handlers: ListenerHandlers) {
    this.handlers = handlers
  }

  get port(): number {
    return this.portNow
  }

  get bind(): Bind {
    return this.bindNow
  }

  /** Takes the wanted port, or the next free one of the 20 after it. @throws ThatdamError when all of them are taken. */
  async open(wantedPort: number, bind: Bind): Promise<void> {
    for (let port = wantedPort; port < wantedPort + PORTS_TRIED; port++) {
      if (await this.listen(port, bind)) return
      if (wantedPort === 0) break
    }
    throw new ThatdamError(
      'UNAVAILABLE',
      `The ports ${wantedPort}–${wantedPort + PORTS_TRIED - 1} are all taken. Set SERVICE_PORT to a free port and start again.`,
    )
  }

  /** From loopback to the LAN, connections go on; back again, those from other machines are cut. */
  async rebind(bind: Bind): Promise<void> {
    if (bind === this.bindNow || !this.server) return
    const old = this.server
    const before = this.bindNow
    old.close(() => this.retired.splice(this.retired.indexOf(old), 1))
    this.retired.push(old)
    if (bind === 'loopback') this.sockets.destroyThose(({ remoteAddress }) => !isLoopback(remoteAddress))
    for (let attempt = 0; attempt < REBIND_TRIES; attempt++) {
      if (await this.listen(this.portNow, bind)) return
      await new Promise((resolve) => setTimeout(resolve, REBIND_WAIT_MS))
    }
    if (!(await this.listen(this.portNow, before)))
      throw new ThatdamError('UNAVAILABLE', `Port ${this.portNow} was taken by another program.`)
  }

  async close(): Promise<void> {
    const { server } = this
    this.server = null
    for (const old of this.retired) old.closeAllConnections()
    if (!server) return
    await new Promise<void>((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  }

  private async listen(port: number, bind: Bind): Promise<boolean> {
    const limits = { headersTimeout: 15_000, requestTimeout: 0, connectionsCheckingInterval: 5_000, maxHeaderSize: 32 * 1024 }
    const server = createServer(limits, this.handlers.onRequest)
    server.maxHeadersCount = HEADERS_MAX
    server.on('upgrade', this.handlers.onUpgrade)
    server.on('connection', (socket) => this.sockets.add(socket))
    // Dual stack where there is IPv6, else IPv4 alone.
    const hosts = bind === 'loopback' ? ['127.0.0.1'] : ['::', '0.0.0.0']
    for (const host of hosts) {
      const failure = await tryListen(server, port, host)
      if (failure === null) {
        this.server = server
        this.bindNow = bind
        this.portNow = (server.address() as AddressInfo).port
        return true
      }
      if (failure === 'EADDRINUSE' || failure === 'EACCES') return false
      if (failure !== 'EAFNOSUPPORT' && failure !== 'EADDRNOTAVAIL')
        throw new ThatdamError('UNAVAILABLE', `Port ${port} cannot be opened (${failure}).`)
    }
    return false
  }
}

function tryListen(server: Server, port: number, host: string): Promise<string | null> {
  return new Promise((resolve) => {
    const onError = (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message)
    server.once('error', onError)
    server.listen({ port, host, backlog: 512 }, () => {
      server.off('error', onError)
      resolve(null)
    })
  })
}
