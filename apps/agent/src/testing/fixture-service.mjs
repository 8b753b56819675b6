// A child service for tests. What it does is in its params: {crash: true} ends at once, {deaf: true} ignores the stop, {grandchild: true}
// starts a process of its own ({grandchild: 'setsid'}: in its own session), {eat: MiB} takes memory, {leave: true} ends itself when its channel closes as real services do.
import { spawn } from 'node:child_process'
import { createServer } from 'node:http'

let config
process.on('message', (message) => {
  if (message.type === 'start') start(message.config)
  if (message.type === 'peers') process.send({ type: 'status', status: { ...status(), peers: message.peers } })
  if (message.type === 'command') answer(message)
  if (message.type === 'stop' && !config.params.deaf) process.exit(0)
})
process.on('disconnect', () => process.exit(0))
process.on('SIGTERM', () => {})

let grandchild = null
const told = []
const status = () => ({ pid: process.pid, grandchild: grandchild?.pid ?? null, indexPaths: config.indexPaths, params: config.params, told })

function start(given) {
  config = given
  if (config.params.crash) {
    console.error('Error: this service was told to crash')
    process.exit(3)
  }
  if (config.params.grandchild) grandchild = spawn('sleep', ['600'], { stdio: 'ignore', detached: config.params.grandchild === 'setsid' })
  if (config.params.eat) globalThis.eaten = Buffer.alloc(config.params.eat * 1024 * 1024, 1)
  const server = createServer((request, response) => {
    if (request.headers['x-thatdam-local'] !== config.localToken) response.writeHead(401).end()
    else response.end(JSON.stringify({ url: request.url, headers: request.headers }))
  })
  server.listen(0, '127.0.0.1', () => {
    process.send({ type: 'ready', url: `http://127.0.0.1:${server.address().port}` })
    process.send({ type: 'status', status: status() })
    console.log('the fixture is ready')
  })
}

function answer({ id, command, params }) {
  if (command === 'exit') process.exit(7)
  if (command === 'told') process.send({ type: 'result', id, ok: true, value: told })
  else if (command === 'config') process.send({ type: 'result', id, ok: true, value: { indexPaths: config.indexPaths } })
  else if (command === 'names' || command === 'end-session') {
    told.push({ command, params })
    process.send({ type: 'result', id, ok: true, value: {} })
    process.send({ type: 'status', status: status() })
  } else if (command === 'echo') process.send({ type: 'result', id, ok: true, value: params })
  else process.send({ type: 'result', id, ok: false, value: { code: 'NOT_FOUND', message: `no command ${command}` } })
}
