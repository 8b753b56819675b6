/** The peer of held-polls: node:http alone, which answers `/now` and holds everything else. Tells its URL over IPC; ends with the channel. */
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

const held = new Set<ServerResponse>()
const server = createServer((request, response) => {
  if (request.url === '/now') {
    response.end('{}')
    return
  }
  held.add(response)
  response.once('close', () => held.delete(response))
})
server.requestTimeout = 0
server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => {
  process.send?.({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` })
})
process.on('disconnect', () => process.exit(0))
