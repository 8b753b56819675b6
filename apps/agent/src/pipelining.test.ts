import { createServer } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { isPatient } from './pipelining.ts'
import { until } from './testing/until.ts'

const undo: (() => void)[] = []
afterEach(() => {
  for (const step of undo.splice(0)) step()
})

test('a few requests in one packet are answered in turn, thousands are cut off with none begun beyond the bound', async () => {
  let [begun, answered, isAnswering] = [0, 0, true]
  const server = createServer((request, response) => {
    if (!isPatient(request, response)) return
    begun += 1
    if (isAnswering) setImmediate(() => response.end('x'.repeat(1000)))
    response.once('finish', () => (answered += 1))
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  undo.push(() => server.close())
  const ask = (times: number, request = 'GET / HTTP/1.1\r\nhost: x\r\n\r\n'): { socket: Socket; heard: () => number } => {
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
    undo.push(() => socket.destroy())
    let text = ''
    socket.on('error', () => {})
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()))
    socket.write(request.repeat(times))
    return { socket, heard: () => text.split('HTTP/1.1 200').length - 1 }
  }
  const polite = ask(8)
  await until('eight answers', () => polite.heard() === 8)
  expect([begun, answered]).toEqual([8, 8])
  // One after the other there is no bound.
  for (let more = 9; more < 30; more += 1) {
    polite.socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
    await until('the next answer', () => polite.heard() === more)
  }
  begun = 0
  const rude = ask(5_000)
  await until('it is cut off', () => rude.socket.destroyed)
  expect(begun).toBe(8)
  // Nor may a few be huge together; one may be as large as the server allows.
  begun = 0
  const large = `GET / HTTP/1.1\r\nhost: x\r\ncookie: ${'a'.repeat(14_000)}\r\n\r\n`
  const alone = ask(1, large)
  await until('the large one is answered', () => alone.heard() === 1)
  begun = 0
  isAnswering = false
  const heavy = ask(7, large)
  await until('it is cut off', () => heavy.socket.destroyed)
  expect(begun).toBe(4)
})
