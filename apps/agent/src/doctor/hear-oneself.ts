import { randomBytes } from 'node:crypto'
import { createSocket, type Socket } from 'node:dgram'
import { reasonOf } from './finding.ts'

const WAIT_MS = 1_200
const AGAIN_MS = 300

export interface Group {
  readonly group: string
  readonly family: 'udp4' | 'udp6'
  /** As joining and sending want the interface told: its IPv4 address, or for IPv6 `::%eth0`. */
  readonly at: string
}

/** Sends to a multicast group on one interface, on a port of its own, and waits to hear that. Null: heard; else why not. */
export async function hearOneself({ group, family, at }: Group): Promise<'not heard' | (string & {}) | null> {
  const socket = createSocket(family)
  try {
    return await attempt(socket, { group, family, at })
  } catch (error) {
    return reasonOf(error)
  } finally {
    socket.close()
  }
}

async function attempt(socket: Socket, { group, family, at }: Group): Promise<string | null> {
  const mark = randomBytes(16)
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject)
    socket.bind(0, family === 'udp4' ? '0.0.0.0' : '::', resolve)
  })
  socket.addMembership(group, at)
  socket.setMulticastInterface(at)
  socket.setMulticastLoopback(true)
  const { port } = socket.address()
  return await new Promise((resolve) => {
    const timers: NodeJS.Timeout[] = []
    const end = (reason: string | null) => {
      for (const timer of timers) clearTimeout(timer)
      resolve(reason)
    }
    const send = () => {
      socket.send(mark, port, group, (error) => {
        if (error) end(reasonOf(error))
      })
    }
    socket.on('error', (error) => end(reasonOf(error)))
    socket.on('message', (bytes) => {
      if (bytes.equals(mark)) end(null)
    })
    timers.push(setTimeout(send, AGAIN_MS), setTimeout(send, 2 * AGAIN_MS), setTimeout(end, WAIT_MS, 'not heard'))
    send()
  })
}
