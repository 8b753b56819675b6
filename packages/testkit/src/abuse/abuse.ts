import { connect, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { connect as connectTls } from 'node:tls'

/** A port to abuse, and what is known to be listened for there. */
export interface AbusedPort {
  readonly name: string
  readonly kind: 'udp' | 'http' | 'tls'
  readonly address: string
  readonly port: number
  /** UDP: beginnings of the datagrams that are taken for one's own. */
  readonly magics: readonly string[]
  /** HTTP: paths that answer, and those that take a body. */
  readonly paths: readonly string[]
}

/** What was done, by name: connections, bytes, answers. */
export type Counts = Record<string, number>

export interface AbuseContext {
  /** Seeded: the same bytes in the same order each time. */
  readonly random: () => number
  /** The address of this host to come from; undefined: the system chooses. */
  readonly from: string | undefined
  /** The end. Whoever runs lets go of everything then. */
  readonly signal: AbortSignal
  readonly count: (what: string, by?: number) => void
}

/** One way of misbehaving; a file each, listed in all.ts. */
export interface Abuse {
  readonly name: string
  readonly on: readonly AbusedPort['kind'][]
  /** Goes on until the end; a refused connection is no reason to stop. */
  readonly run: (port: AbusedPort, context: AbuseContext) => Promise<void>
}

const OPEN_MS_MAX = 5_000
/** Between two attempts of one worker, so that an attacker on the same machine leaves some of it to the attacked; and after a refusal. */
const [PACE_MS, REFUSED_MS] = [2, 100]

export const below = (random: () => number, limit: number): number => Math.floor(random() * limit)

/** Four bytes a draw: the attacked need the processor more. */
export function noise(random: () => number, bytes: number): Buffer {
  const made = Buffer.allocUnsafe(bytes + 3)
  for (let at = 0; at < bytes; at += 4) made.writeUInt32LE(below(random, 2 ** 32), at)
  return made.subarray(0, bytes)
}

/** Ends early at the end of all. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimeout(end, signal.aborted ? 0 : ms)
    signal.addEventListener('abort', end)
  })
}

/** `workers` times the same, over and over until the end. */
export async function workers(count: number, context: AbuseContext, work: () => Promise<void>): Promise<void> {
  const one = async () => {
    while (!context.signal.aborted) {
      const paceMs = await work().then(
        () => PACE_MS,
        () => REFUSED_MS,
      )
      if (paceMs === REFUSED_MS) context.count('refused')
      await pause(paceMs, context.signal)
    }
  }
  await Promise.all(Array.from({ length: count }, one))
}

const connectFrom = ({ address: host, port }: AbusedPort, { from }: AbuseContext): Socket =>
  connect({ host, port, ...(from === undefined ? {} : { localAddress: from }) })

/** A bare TCP connection. @throws when it is refused. */
export function openSocket(port: AbusedPort, context: AbuseContext): Promise<Socket> {
  return opened(connectFrom(port, context), 'connect', context)
}

/** As a client of that port speaks: TCP, or TLS with the handshake done. @throws when it is refused. */
export function openStream(port: AbusedPort, context: AbuseContext): Promise<Duplex> {
  if (port.kind !== 'tls') return openSocket(port, context)
  const socket = connectTls({ socket: connectFrom(port, context), rejectUnauthorized: false, servername: '' })
  return opened(socket, 'secureConnect', context)
}

function opened<S extends Socket>(socket: S, event: 'connect' | 'secureConnect', { signal, count }: AbuseContext): Promise<S> {
  return new Promise((resolve, reject) => {
    const cut = () => socket.destroy(new Error('the end'))
    const timer = setTimeout(cut, OPEN_MS_MAX)
    signal.addEventListener('abort', cut)
    socket.on('error', reject)
    socket.once('close', () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', cut)
      reject(new Error('closed'))
    })
    socket.once(event, () => {
      clearTimeout(timer)
      count('opened')
      resolve(socket)
    })
    if (signal.aborted) cut()
  })
}

/** Writes as fast as it is taken, and no faster. @throws when the other side has closed. */
export function write(stream: Duplex, bytes: Buffer | string, context: AbuseContext): Promise<void> {
  return new Promise((resolve, reject) => {
    const gone = () => reject(new Error('closed'))
    if (stream.destroyed) gone()
    stream.once('close', gone)
    stream.write(bytes, (error) => {
      stream.off('close', gone)
      context.count('bytes', bytes.length)
      if (error) reject(error)
      else resolve()
    })
  })
}

/** Waits until the other side has closed, at most `ms`; then closes. */
export function closed(stream: Duplex, ms: number, context: AbuseContext): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => stream.destroy(), ms)
    const end = () => {
      clearTimeout(timer)
      context.count('closed')
      resolve()
    }
    stream.on('error', () => {})
    stream.once('close', end)
    stream.resume()
    if (stream.destroyed) end()
  })
}
