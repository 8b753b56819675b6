import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'

const CONNECTIONS_MAX = 256

/** A port of this machine that leads to a host's door, so that a browser here reaches a console in there. */
export class Forward {
  readonly url: string
  private readonly server: Server
  private readonly open: Set<Socket>

  /** @param doorOf asked for at each connection; null: there is none now, the connection ends. @param port taken if it is free, else any. */
  static async open(doorOf: () => string | null, port = 0): Promise<Forward> {
    const open = new Set<Socket>()
    const server = createServer({ allowHalfOpen: true }, (visitor) => {
      track(visitor, open)
      const door = doorOf()
      if (door === null) {
        visitor.destroy()
        return
      }
      const inside = connect({ path: door, allowHalfOpen: true })
      track(inside, open)
      visitor.on('close', () => inside.destroy())
      inside.on('close', () => visitor.destroy())
      visitor.pipe(inside).pipe(visitor)
    })
    server.maxConnections = CONNECTIONS_MAX
    await listen(server, port)
    return new Forward(server, open)
  }

  private constructor(server: Server, open: Set<Socket>) {
    this.server = server
    this.open = open
    this.url = `http://localhost:${(server.address() as AddressInfo).port}`
  }

  async close(): Promise<void> {
    for (const socket of this.open) socket.destroy()
    await new Promise<void>((resolve) => this.server.close(() => resolve()))
  }
}

function track(socket: Socket, open: Set<Socket>): void {
  open.add(socket)
  socket.on('error', () => undefined)
  socket.on('close', () => open.delete(socket))
}

/** On 127.0.0.1 alone: what is played here is nobody else's. */
export async function listen(server: Server, port: number): Promise<void> {
  const attempt = (wanted: number) =>
    new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(wanted, '127.0.0.1', () => {
        server.off('error', reject)
        resolve()
      })
    })
  await attempt(port).catch(async (error: NodeJS.ErrnoException) => {
    if (port === 0 || (error.code !== 'EADDRINUSE' && error.code !== 'EACCES')) throw error
    await attempt(0)
  })
}
