import { createSocket, type Socket } from 'node:dgram'
import { type Abuse, type AbuseContext, type AbusedPort, below, noise, pause } from './abuse.ts'

const SOCKETS = 8
const AT_ONCE = 32
/** As large as UDP carries. */
const LARGEST = 65_507

/** Random bytes, empty ones, the largest that UDP carries, and all of these behind the right first bytes. */
export const abuse: Abuse = {
  name: 'datagrams',
  on: ['udp'],
  run: async (port, context) => {
    const sockets = await Promise.all(Array.from({ length: SOCKETS }, () => opened(context.from)))
    const large = noise(context.random, LARGEST)
    while (!context.signal.aborted) {
      await Promise.all(Array.from({ length: AT_ONCE }, (_, index) => send(sockets[index % SOCKETS], bytesOf(port, context, large), port)))
      context.count('sent', AT_ONCE)
      await pause(1, context.signal)
    }
    for (const socket of sockets) socket.close()
  },
}

function bytesOf(port: AbusedPort, { random }: AbuseContext, large: Buffer): Buffer {
  const magic = Buffer.from(random() < 0.7 ? (port.magics[below(random, port.magics.length)] ?? '') : '', 'latin1')
  const kind = below(random, 10)
  if (kind === 0) return magic
  if (kind === 1) return Buffer.concat([magic, large.subarray(0, LARGEST - magic.length)])
  if (kind === 2) return Buffer.concat([magic, Buffer.from(`{"${'['.repeat(below(random, 1_000))}`)])
  if (kind === 3)
    return Buffer.concat([magic, Buffer.alloc(64), Buffer.from(`{"ring":"${'0'.repeat(16)}","from":"x","count":${random() * 1e308}}`)])
  return Buffer.concat([magic, noise(random, below(random, 1_400))])
}

function opened(from: string | undefined): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createSocket('udp4')
    socket.once('error', reject)
    socket.bind(0, from, () => {
      socket.off('error', reject)
      socket.on('error', () => {})
      resolve(socket)
    })
  })
}

const send = (socket: Socket | undefined, bytes: Buffer, { address, port }: AbusedPort) =>
  new Promise<void>((resolve) => {
    if (socket === undefined) resolve()
    else socket.send(bytes, port, address, () => resolve())
  })
