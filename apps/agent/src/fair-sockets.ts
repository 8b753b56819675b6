import type { Socket } from 'node:net'

/**
 * The open connections of a server, at most `max`. Beyond that, whoever holds most of them loses its oldest: one machine that opens connections
 * without end takes them from itself, and nobody else finds the door shut.
 */
export class FairSockets {
  private readonly max: number
  private readonly held = new Map<string, Set<Socket>>()
  private count = 0

  constructor(max: number) {
    this.max = max
  }

  get size(): number {
    return this.count
  }

  add(socket: Socket): void {
    const holder = holderOf(socket.remoteAddress ?? '')
    const sockets = this.held.get(holder) ?? new Set()
    this.held.set(holder, sockets.add(socket))
    this.count += 1
    socket.once('close', () => this.remove(holder, socket))
    if (this.count <= this.max) return
    const [most, oldest] = this.mostHeld()
    if (oldest === undefined) return
    // It counts as gone at once: its closing is told later.
    this.remove(most, oldest)
    oldest.destroy()
  }

  destroyAll(): void {
    this.destroyThose(() => true)
  }

  destroyThose(isMeant: (socket: Socket) => boolean): void {
    for (const sockets of this.held.values()) for (const socket of sockets) if (isMeant(socket)) socket.destroy()
  }

  private remove(holder: string, socket: Socket): void {
    const sockets = this.held.get(holder)
    if (!sockets?.delete(socket)) return
    this.count -= 1
    if (sockets.size === 0) this.held.delete(holder)
  }

  private mostHeld(): [string, Socket | undefined] {
    let most = ''
    let sockets: ReadonlySet<Socket> = new Set()
    for (const [holder, theirs] of this.held) if (theirs.size > sockets.size) [most, sockets] = [holder, theirs]
    return [most, sockets.values().next().value]
  }
}

export function isLoopback(address: string | undefined): boolean {
  return address === '::1' || /^(::ffff:)?127\./.test(address ?? '')
}

/** One IPv4 address, or one IPv6 network: a machine gives itself as many addresses of that as it likes. */
export function holderOf(address: string): string {
  const bare = address.replace(/^::ffff:(?=\d)/i, '').split('%')[0] ?? ''
  if (!bare.includes(':')) return bare
  const [head = '', tail] = bare.split('::', 2)
  const [front, back] = [head, tail ?? ''].map((part) => (part === '' ? [] : part.split(':')))
  const missing = tail === undefined ? 0 : Math.max(0, 8 - (front?.length ?? 0) - (back?.length ?? 0))
  return [...(front ?? []), ...Array.from({ length: missing }, () => '0'), ...(back ?? [])].slice(0, 4).join(':')
}
