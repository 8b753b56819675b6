import { createSocket, type Socket } from 'node:dgram'
import type { RtpPorts } from './ffmpeg/argv.ts'

const RECEIVE_BUFFER_BYTES = 4 << 20

/**
 * Where one camera's ffmpeg sends RTP: a socket on 127.0.0.1 for the camera's whole life, that takes packets only from the port
 * which the present ffmpeg was told to send from.
 */
export class RtpSocket {
  private readonly socket: Socket
  private acceptPort = 0
  private seenNow = false
  private readonly port: number

  private constructor(socket: Socket, port: number) {
    this.socket = socket
    this.port = port
  }

  static async open(onPacket: (bytes: Buffer) => void): Promise<RtpSocket> {
    const socket = createSocket({ type: 'udp4', recvBufferSize: RECEIVE_BUFFER_BYTES })
    const opened = new RtpSocket(socket, await bind(socket))
    socket.on('message', (bytes, from) => {
      if (from.port === opened.acceptPort && from.address === '127.0.0.1') {
        opened.seenNow = true
        onPacket(bytes)
      }
    })
    socket.on('error', (error) => console.error('RTP socket', error))
    return opened
  }

  /** The present ffmpeg's packets arrive. */
  get seen(): boolean {
    return this.seenNow
  }

  /** Ports for the next ffmpeg, free a moment ago; one that lost the race fails to start and is started again with others. */
  async nextPorts(): Promise<RtpPorts> {
    const pair = [createSocket('udp4'), createSocket('udp4')] as const
    const [fromRtp, fromRtcp] = await Promise.all([bind(pair[0]), bind(pair[1])])
    await Promise.all(pair.map((socket) => new Promise<void>((resolve) => void socket.close(() => resolve()))))
    this.acceptPort = fromRtp
    this.seenNow = false
    return { to: this.port, fromRtp, fromRtcp }
  }

  close(): void {
    this.socket.close()
  }
}

function bind(socket: Socket): Promise<number> {
  return new Promise((resolve, reject) => {
    socket.once('error', reject)
    socket.bind(0, '127.0.0.1', () => {
      socket.off('error', reject)
      resolve(socket.address().port)
    })
  })
}
