// A console that only answers: the same channel and the same check of the local token as the real one, no pages, no database.
import { createServer } from 'node:http'

process.on('message', (message) => {
  if (message.type === 'start') start(message.config)
  if (message.type === 'stop') process.exit(0)
  if (message.type === 'command')
    process.send?.({ type: 'result', id: message.id, ok: false, value: { code: 'NOT_FOUND', message: `no command ${message.command}` } })
})
process.on('disconnect', () => process.exit(0))
process.on('SIGTERM', () => {}) // the agent's stop comes by the channel

function start({ nodeName, localToken }) {
  const server = createServer((request, response) => {
    if (request.headers['x-thatdam-local'] !== localToken) response.writeHead(401).end()
    else response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(`<!doctype html><title>${encodeURI(nodeName)}</title>`)
  })
  server.listen(0, '127.0.0.1', () => process.send?.({ type: 'ready', url: `http://127.0.0.1:${server.address().port}` }))
}
