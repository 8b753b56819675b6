import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'

/*
 * A Docker engine for tests: the engine's HTTP API on a real unix socket, as far as services need it. A "container" is a process of this
 * machine with the container's command, environment and folder; its streams go through the same hijacked, framed connection. What it does
 * not do: isolate, mount, limit. Those parts of a request are kept, to be looked at.
 */

export interface ContainerRequest {
  readonly Image: string
  readonly Labels: Record<string, string>
  readonly Entrypoint: string[]
  readonly Cmd: string[]
  readonly WorkingDir: string
  readonly Env: string[]
  readonly User?: string
  readonly StdinOnce: boolean
  readonly HostConfig: Record<string, unknown> & {
    readonly Mounts?: readonly { readonly Source: string; readonly Target: string; readonly ReadOnly: boolean }[]
  }
}

export class FakeContainer {
  readonly id = randomBytes(32).toString('hex')
  readonly name: string
  readonly request: ContainerRequest
  status: 'created' | 'running' | 'exited' = 'created'
  exitCode = 0
  oomKilled = false
  /** Bodies of `update` calls, in order. */
  readonly updates: Record<string, unknown>[] = []
  process: ChildProcessWithoutNullStreams | null = null
  private attached: Duplex | null = null
  private readonly waiters: ((code: number) => void)[] = []

  constructor(name: string, request: ContainerRequest) {
    this.name = name
    this.request = request
  }

  attach(socket: Duplex): void {
    this.attached = socket
    socket.on('data', (data: Buffer) => this.process?.stdin.write(data))
    const end = () => {
      // The engine closes a container's input when the one that was attached goes (StdinOnce).
      if (this.request.StdinOnce) this.process?.stdin.end()
      this.attached = null
    }
    socket.on('end', end)
    socket.on('close', end)
    socket.on('error', end)
  }

  start(): void {
    const [command = '', ...args] = [...this.request.Entrypoint, ...this.request.Cmd]
    const image = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' }
    const given = Object.fromEntries(this.request.Env.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]))
    const env = { ...image, ...given } as Partial<NodeJS.ProcessEnv> as NodeJS.ProcessEnv
    const child = spawn(command, args, { cwd: this.request.WorkingDir, env, stdio: 'pipe', detached: true })
    this.process = child
    this.status = 'running'
    child.stdin.on('error', () => {})
    child.stdout.on('data', (data: Buffer) => this.frame(1, data))
    child.stderr.on('data', (data: Buffer) => this.frame(2, data))
    child.once('error', () => this.ended(127))
    child.once('close', (code, signal) => this.ended(code ?? 128 + (SIGNALS[signal ?? ''] ?? 0)))
  }

  signal(name: string): void {
    const pid = this.process?.pid
    if (this.status !== 'running' || pid === undefined) return
    try {
      process.kill(-pid, name)
    } catch {
      // it ended at this moment
    }
  }

  next(): Promise<number> {
    return new Promise((resolve) => this.waiters.push(resolve))
  }

  /** The engine's own death: streams break, processes are on their own. */
  cut(): void {
    this.attached?.destroy()
    this.process?.stdin.destroy()
  }

  private frame(stream: number, data: Buffer): void {
    const header = Buffer.alloc(8)
    header[0] = stream
    header.writeUInt32BE(data.length, 4)
    this.attached?.write(Buffer.concat([header, data]))
  }

  private ended(code: number): void {
    if (this.status === 'exited') return
    this.signal('SIGKILL')
    this.status = 'exited'
    this.exitCode = code
    this.attached?.end()
    for (const resolve of this.waiters.splice(0)) resolve(code)
  }
}

const tagged = (image: string): string => (image.includes(':') ? image : `${image}:latest`)

const SIGNALS: Readonly<Record<string, number>> = { SIGKILL: 9, SIGTERM: 15, SIGABRT: 6, SIGSEGV: 11 }

export class FakeDocker {
  readonly socketPath: string
  readonly containers = new Map<string, FakeContainer>()
  readonly images: Set<string>
  /** Images that can be pulled, with their tag. */
  readonly registry = new Set<string>()
  /** Every container that was ever made, in order. */
  readonly made: FakeContainer[] = []
  private readonly server: Server
  private readonly sockets = new Set<Socket>()

  private constructor(socketPath: string, images: readonly string[]) {
    this.socketPath = socketPath
    this.images = new Set(images.map(tagged))
    this.server = createServer((request, response) => {
      this.answer(request, response).catch((error: unknown) => send(response, 500, { message: String(error) }))
    })
    this.server.on('connection', (socket) => {
      this.sockets.add(socket)
      socket.on('close', () => this.sockets.delete(socket))
    })
    this.server.on('upgrade', (request, socket) => {
      const id = /\/containers\/([^/]+)\/attach/.exec(request.url ?? '')?.[1] ?? ''
      const container = this.find(id)
      if (!container) {
        socket.end('HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n')
        return
      }
      socket.write(
        'HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.multiplexed-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n',
      )
      container.attach(socket)
    })
  }

  static async start(socketPath: string, images: readonly string[] = []): Promise<FakeDocker> {
    const engine = new FakeDocker(socketPath, images)
    rmSync(socketPath, { force: true })
    await new Promise<void>((resolve, reject) => {
      engine.server.once('error', reject)
      engine.server.listen(socketPath, resolve)
    })
    return engine
  }

  /** As a crash of the engine: connections break, containers lose their streams. */
  async stop(): Promise<void> {
    for (const container of this.containers.values()) container.cut()
    for (const socket of this.sockets) socket.destroy()
    await new Promise((resolve) => this.server.close(resolve))
  }

  /** Stops, and ends what still runs. */
  async end(): Promise<void> {
    await this.stop()
    for (const container of this.made) container.signal('SIGKILL')
  }

  find(idOrName: string): FakeContainer | null {
    return this.containers.get(idOrName) ?? [...this.containers.values()].find(({ name }) => name === idOrName) ?? null
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://docker')
    const path = url.pathname.replace(/^\/v\d+\.\d+/, '')
    const body = await readBody(request)
    if (path === '/_ping') return send(response, 200, 'OK')
    if (path === '/images/create') return this.pull(url, response)
    const image = /^\/images\/(.+)\/json$/.exec(path)?.[1]
    if (image !== undefined) return send(response, ...this.image(decodeURIComponent(image)))
    if (path === '/containers/json') return send(response, 200, this.list(url))
    if (path === '/containers/create') return this.create(url, body as ContainerRequest, response)
    const [, , id = '', verb = ''] = path.split('/')
    const container = this.find(decodeURIComponent(id))
    if (!container) return send(response, 404, { message: `No such container: ${id}` })
    return await this.act(container, { verb, method: request.method ?? '', url, body, response })
  }

  private async act(
    container: FakeContainer,
    call: { verb: string; method: string; url: URL; body: unknown; response: ServerResponse },
  ): Promise<void> {
    const { verb, method, url, response } = call
    if (method === 'DELETE') {
      if (container.status === 'running' && url.searchParams.get('force') !== 'true' && url.searchParams.get('force') !== '1')
        return send(response, 409, { message: 'You cannot remove a running container' })
      container.signal('SIGKILL')
      this.containers.delete(container.id)
      return send(response, 204)
    }
    switch (verb) {
      case 'start':
        container.start()
        return send(response, 204)
      case 'wait':
        return send(response, 200, { StatusCode: await container.next() })
      case 'kill':
        if (container.status !== 'running') return send(response, 409, { message: 'is not running' })
        container.signal(url.searchParams.get('signal') ?? 'SIGKILL')
        return send(response, 204)
      case 'stop':
        return await this.stopContainer(container, Number(url.searchParams.get('t') ?? 10), response)
      case 'update':
        container.updates.push(call.body as Record<string, unknown>)
        return send(response, 200, { Warnings: [] })
      case 'json':
        return send(response, 200, {
          Id: container.id,
          State: { Status: container.status, ExitCode: container.exitCode, OOMKilled: container.oomKilled },
        })
      default:
        return send(response, 501, { message: `the test's engine does not know ${verb}` })
    }
  }

  private async stopContainer(container: FakeContainer, seconds: number, response: ServerResponse): Promise<void> {
    if (container.status !== 'running') return send(response, 304)
    const ended = container.next()
    container.signal('SIGTERM')
    const timer = setTimeout(() => container.signal('SIGKILL'), seconds * 1000)
    await ended
    clearTimeout(timer)
    send(response, 204)
  }

  private image(name: string): [number, unknown] {
    return this.images.has(tagged(name)) ? [200, { Id: `sha256:${name}` }] : [404, { message: `No such image: ${name}` }]
  }

  private pull(url: URL, response: ServerResponse): void {
    const name = tagged(
      [url.searchParams.get('fromImage') ?? '', url.searchParams.get('tag') ?? ''].filter((part) => part !== '').join(':'),
    )
    if (!this.registry.has(name)) return send(response, 404, { message: `pull access denied for ${name}` })
    this.images.add(name)
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(`${JSON.stringify({ status: 'Pulling' })}\n${JSON.stringify({ status: 'Done' })}\n`)
  }

  private create(url: URL, request: ContainerRequest, response: ServerResponse): void {
    const name = url.searchParams.get('name') ?? ''
    if (!this.images.has(tagged(request.Image))) return send(response, 404, { message: `No such image: ${request.Image}` })
    if (this.find(name)) return send(response, 409, { message: `The container name "/${name}" is already in use` })
    const container = new FakeContainer(name, request)
    this.containers.set(container.id, container)
    this.made.push(container)
    send(response, 201, { Id: container.id, Warnings: [] })
  }

  private list(url: URL): unknown[] {
    const { label = [] } = JSON.parse(url.searchParams.get('filters') ?? '{}') as { label?: string[] }
    const matches = ({ request }: FakeContainer) =>
      label.every((one) => request.Labels[one.split('=', 1)[0] ?? ''] === one.slice(one.indexOf('=') + 1))
    return [...this.containers.values()].filter(matches).map(({ id, name, status }) => ({ Id: id, Names: [`/${name}`], State: status }))
  }
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  const text = Buffer.concat(chunks).toString('utf8')
  return text === '' ? null : (JSON.parse(text) as unknown)
}

function send(response: ServerResponse, status: number, body?: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(body === undefined ? undefined : JSON.stringify(body))
}
