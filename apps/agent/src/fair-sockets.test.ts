import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { FairSockets, holderOf } from './fair-sockets.ts'
import { until } from './testing/until.ts'

const undo: (() => void)[] = []
afterEach(() => {
  for (const step of undo.splice(0)) step()
})

test('a machine that opens without end loses its own oldest, and nobody else anything', async () => {
  const fair = new FairSockets(10)
  const server = createServer((socket) => {
    socket.on('error', () => {})
    fair.add(socket)
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  undo.push(
    () => server.close(),
    () => fair.destroyAll(),
  )
  const open = async (localAddress: string): Promise<Socket> => {
    const socket = connect({ host: '127.0.0.1', port: (server.address() as AddressInfo).port, localAddress })
    undo.push(() => socket.destroy())
    socket.on('error', () => {})
    await once(socket, 'connect')
    return socket
  }
  const honest = await open('127.0.0.2')
  const greedy: Socket[] = []
  for (let index = 0; index < 40; index += 1) greedy.push(await open('127.0.0.3'))
  await until('the oldest are closed', () => greedy.filter((socket) => !socket.destroyed && socket.readyState === 'open').length === 9)
  const late = await open('127.0.0.4')
  await until('one more had to go', () => greedy.filter((socket) => socket.readyState === 'open').length === 8)
  expect([honest.readyState, late.readyState, greedy.at(-1)?.readyState, fair.size]).toEqual(['open', 'open', 'open', 10])
  honest.destroy()
  await until('those that left are forgotten', () => fair.size === 9)
})

test('addresses of one IPv6 network are one holder', () => {
  expect(holderOf('fd77:0:1:2:aaaa::1')).toBe(holderOf('fd77:0:1:2::7'))
  expect(holderOf('fd77::1')).toBe('fd77:0:0:0')
  expect(holderOf('fe80::1%eth0')).toBe('fe80:0:0:0')
  expect(holderOf('fd77:0:1:3::7')).not.toBe(holderOf('fd77:0:1:2::7'))
  expect([holderOf('::ffff:10.0.0.1'), holderOf('10.0.0.1'), holderOf('')]).toEqual(['10.0.0.1', '10.0.0.1', ''])
})
