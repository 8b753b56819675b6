import { createServer, get, type IncomingMessage, type ServerResponse } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { handBack } from './proxy.ts'

/** A server on loopback and its address. */
async function serve(answer: (request: IncomingMessage, response: ServerResponse) => void) {
  const server = createServer(answer).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { url, [Symbol.dispose]: () => (server.closeAllConnections(), server.close()) }
}

test('who leaves in the moment before the answer begins ends nothing but their own request', async () => {
  using service = await serve((_request, response) => response.end('late'))
  const told = Promise.withResolvers<boolean>()
  using gateway = await serve((_request, response) => {
    get(service.url, (answer) => {
      response.destroy()
      handBack(answer, response)
      told.resolve(answer.destroyed)
    })
  })
  get(gateway.url).on('error', () => {})
  expect(await told.promise).toBe(true)
})
