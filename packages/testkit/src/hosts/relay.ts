import { type Socket as UdpSocket, createSocket } from 'node:dgram'
import { type AddressInfo, type Socket, connect, createServer } from 'node:net'
import { seededRandom } from './random.ts'

/** What a relay does to what passes through. The same seed and the same traffic give the same losses and delays. */
export interface RelayFaults {
  readonly seed: number
  /** Share of datagrams that never arrive; for TCP: of connections that are reset when they open. */
  readonly lossRatio: number
  /** Each piece waits between these many milliseconds, both ends included. Datagrams may overtake one another, bytes of a stream never. */
  readonly delayMs: readonly [number, number]
}

export interface RelayOptions {
  readonly listen: { readonly address: string; readonly port: number }
  readonly target: { readonly address: string; readonly port: number }
  readonly faults: RelayFaults
}

export interface Relay {
  /** Bound port; `listen.port` may be 0. */
  readonly port: number
  readonly counts: { readonly passed: number; readonly lost: number }
  /** From now on; for a cable that gets worse. */
  setFaults(faults: Omit<RelayFaults, 'seed'>): void
  close(): Promise<void>
}

/** Clients of a UDP relay that are told apart at a time; the oldest goes first. */
const CLIENTS_MAX = 256

/** Datagrams there and back; each client gets a port of its own towards the target. */
export async function startUdpRelay({ listen, target, faults }: RelayOptions): Promise<Relay> {
  const fate = new Fate(faults)
  const front = createSocket('udp4')
  const clients = new Map<string, UdpSocket>()
  const timers = new Set<NodeJS.Timeout>()
  const pass = (send: () => void) => {
    const delayMs = fate.draw()
    if (delayMs === null) return
    const timer = setTimeout(() => {
      timers.delete(timer)
      send()
    }, delayMs)
    timers.add(timer)
  }
  const open = (key: string, client: { address: string; port: number }): UdpSocket => {
    const back = createSocket('udp4')
    back.on('error', () => undefined)
    back.on('message', (bytes) => pass(() => front.send(bytes, client.port, client.address, () => undefined)))
    clients.set(key, back)
    const [oldest] = clients
    if (clients.size > CLIENTS_MAX && oldest) {
      clients.delete(oldest[0])
      oldest[1].close()
    }
    return back
  }
  front.on('error', () => undefined)
  front.on('message', (bytes, { address, port }) => {
    const key = `${address}:${port}`
    const back = clients.get(key) ?? open(key, { address, port })
    pass(() => clients.has(key) && back.send(bytes, target.port, target.address, () => undefined))
  })
  await new Promise<void>((resolve) => front.bind(listen.port, listen.address, resolve))
  return {
    port: front.address().port,
    counts: fate.counts,
    setFaults: (next) => fate.set(next),
    close: async () => {
      for (const timer of timers) clearTimeout(timer)
      for (const back of clients.values()) back.close()
      clients.clear()
      await new Promise<void>((resolve) => front.close(() => resolve()))
    },
  }
}

/** Connections there and back, with back-pressure. */
export async function startTcpRelay({ listen, target, faults }: RelayOptions): Promise<Relay> {
  const fate = new Fate(faults)
  const open = new Set<Socket>()
  const track = (socket: Socket) => {
    open.add(socket)
    socket.on('close', () => open.delete(socket))
    socket.on('error', () => undefined)
  }
  const server = createServer({ allowHalfOpen: true }, (client) => {
    track(client)
    if (fate.lost()) {
      client.resetAndDestroy()
      return
    }
    const upstream = connect({ host: target.address, port: target.port, allowHalfOpen: true })
    track(upstream)
    pipeSlowly(client, upstream, fate)
    pipeSlowly(upstream, client, fate)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(listen.port, listen.address, resolve)
  })
  return {
    port: (server.address() as AddressInfo).port,
    counts: fate.counts,
    setFaults: (next) => fate.set(next),
    close: async () => {
      for (const socket of open) socket.destroy()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}

/** One chunk at a time: the source is paused while its chunk waits, so nothing piles up. */
function pipeSlowly(from: Socket, to: Socket, fate: Fate): void {
  const ended = () => !to.destroyed && to.end()
  let waiting = false
  let end = false
  from.on('data', (bytes) => {
    from.pause()
    waiting = true
    setTimeout(() => {
      waiting = false
      if (to.destroyed) from.destroy()
      else if (to.write(bytes)) from.resume()
      else to.once('drain', () => from.resume())
      if (end) ended()
    }, fate.delay())
  })
  from.on('end', () => {
    end = true
    if (!waiting) ended()
  })
  from.on('close', (hadError) => hadError && to.resetAndDestroy())
}

class Fate {
  readonly counts = { passed: 0, lost: 0 }
  private readonly random: () => number
  private lossRatio: number
  private delayMs: readonly [number, number]

  constructor({ seed, lossRatio, delayMs }: RelayFaults) {
    this.random = seededRandom(seed)
    this.lossRatio = lossRatio
    this.delayMs = delayMs
  }

  set({ lossRatio, delayMs }: Omit<RelayFaults, 'seed'>): void {
    this.lossRatio = lossRatio
    this.delayMs = delayMs
  }

  lost(): boolean {
    const lost = this.random() < this.lossRatio
    this.counts[lost ? 'lost' : 'passed'] += 1
    return lost
  }

  delay(): number {
    const [low, high] = this.delayMs
    return low + this.random() * (high - low)
  }

  /** Null: lost. Always two draws, so that one loss does not shift the rest. */
  draw(): number | null {
    const lost = this.lost()
    const delayMs = this.delay()
    return lost ? null : delayMs
  }
}
