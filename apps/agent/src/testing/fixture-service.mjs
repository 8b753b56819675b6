// A child service for tests. What it does is in its params: {crash: true} ends at once, {deaf: true} ignores the stop and SIGTERM,
// {grandchild: true} starts a process of its own ({grandchild: 'setsid'}: in its own session), {eat: MiB} takes memory, {clings: true}
// stays when its channel closes, as no real service does; {sick: true | 'error' | 'silent'} is not well, {faints: true} ends when it is asked
// how it is; {late: true} waits for the command to listen.
import { spawn } from 'node:child_process'
import { accessSync, constants, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'

let config
process.on('message', (message) => {
  if (message.type === 'start') start(message.config)
  if (message.type === 'peers') process.send({ type: 'status', status: { ...status(), peers: message.peers } })
  if (message.type === 'command') answer(message)
  if (message.type === 'stop' && !config.params.deaf) process.exit(0)
})
process.on('disconnect', () => config?.params.clings || process.exit(0))
process.on('SIGTERM', () => config?.params.deaf || process.exit(0))

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
  if (!config.params.late) listen()
  else process.send({ type: 'waiting', reason: 'It is not time yet.' })
}

function listen() {
  const server = createServer((request, response) => {
    if (request.headers['x-thatdam-local'] !== config.localToken) response.writeHead(401).end()
    else if (request.url === '/-/health') answerHealth(response)
    else response.end(JSON.stringify({ url: request.url, headers: request.headers }))
  })
  server.listen(0, '127.0.0.1', () => {
    process.send({ type: 'ready', url: `http://127.0.0.1:${server.address().port}` })
    process.send({ type: 'status', status: status() })
    console.log('the fixture is ready')
  })
}

function answerHealth(response) {
  if (config.params.faints) process.exit(9)
  if (config.params.sick === 'silent') return
  const sick = config.params.sick === true
  response.writeHead(config.params.sick === 'error' ? 500 : 200, { 'content-type': 'application/json' })
  response.end(JSON.stringify({ ok: !sick, reason: sick ? 'Its lungs are full.' : '' }))
}

function answer({ id, command, params }) {
  if (command === 'exit') process.exit(7)
  if (command === 'listen') {
    Object.assign(config.params, params)
    listen()
    process.send({ type: 'running', reason: '' })
    process.send({ type: 'result', id, ok: true, value: {} })
  } else if (command === 'try') process.send({ type: 'result', id, ok: true, value: attempt(params) })
  else if (command === 'told') process.send({ type: 'result', id, ok: true, value: told })
  else if (command === 'config') process.send({ type: 'result', id, ok: true, value: { indexPaths: config.indexPaths } })
  else if (command === 'names' || command === 'end-session') {
    told.push({ command, params })
    process.send({ type: 'result', id, ok: true, value: {} })
    process.send({ type: 'status', status: status() })
  } else if (command === 'echo') process.send({ type: 'result', id, ok: true, value: params })
  else process.send({ type: 'result', id, ok: false, value: { code: 'NOT_FOUND', message: `no command ${command}` } })
}

// What a service can do where it runs: files that it could write, and what it read of others.
function attempt({ write = [], access = [], read = [], kill = [] }) {
  return {
    uid: process.getuid(),
    capabilities: /^CapEff:\s+(\w+)/m.exec(readFileSync('/proc/self/status', 'utf8'))[1],
    wrote: write.filter((path) => did(() => writeFileSync(path, 'x'))),
    access: access.filter((path) => did(() => accessSync(path, constants.W_OK))),
    read: read.map((path) => {
      let text = null
      did(() => (text = readFileSync(path, 'utf8')))
      return text
    }),
    saw: kill.filter((pid) => did(() => process.kill(pid, 0))),
  }
}

function did(act) {
  try {
    act()
    return true
  } catch {
    return false
  }
}
