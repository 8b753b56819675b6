import type { Duplex } from 'node:stream'
import type Docker from 'dockerode'
import type { Json } from '@thatdam/protocol/canonical'
import type { ToService } from '@thatdam/protocol/local'
import { Commands } from '../commands.ts'
import { exitOf } from '../exit.ts'
import { FolderWatch } from '../folder-watch.ts'
import { BACKGROUND, type Life, type LifeEnd, type LifeRequest } from '../runtime.ts'
import { Tail } from '../tail.ts'
import { containerSpec } from './container-spec.ts'
import { ContainerStreams } from './streams.ts'
import { ignoreStatus, lineOf, readMessage, statusOf, Unavailable, type EnginePort } from './wire.ts'

const STOP_LIMIT_MS = 10_000
/** Messages before the container runs: the start, and news of siblings. */
const QUEUE_MAX = 64
/** After its end, for what it wrote last. */
const LAST_WORDS_MS = 1_000

/*
 * One life of a container.
 *
 *   prepare ─▶ create ─▶ attach ─▶ start ─▶ messages … ─▶ it exits ─▶ inspect ─▶ remove ─▶ onEnd
 *      └ the engine is away or has no image: onEnd{unavailable}        (a stop before the start: removed without having run)
 */
export class ContainerLife implements Life {
  readonly request: LifeRequest
  private readonly engine: EnginePort
  private readonly commands = new Commands((message) => this.send(message))
  private readonly tail = new Tail()
  private readonly ended: Promise<void>
  private container: Docker.Container | null = null
  private stream: Duplex | null = null
  private queue: ToService[] = []
  private runs = false
  private killed = false

  constructor(engine: EnginePort, request: LifeRequest) {
    this.engine = engine
    this.request = request
    this.queue.push({ type: 'start', config: request.config })
    this.ended = this.live()
  }

  get isBackground(): boolean {
    return BACKGROUND.has(this.request.context.planned.name)
  }

  send(message: ToService): void {
    if (this.runs) this.stream?.write(lineOf(message))
    else if (this.queue.length < QUEUE_MAX) this.queue.push(message)
  }

  command(command: string, params: Readonly<Record<string, Json>>): Promise<Json> {
    return this.commands.ask(command, params)
  }

  async stop(limitMs = STOP_LIMIT_MS): Promise<void> {
    this.send({ type: 'stop' })
    const timer = setTimeout(() => void this.kill(), limitMs)
    await this.ended
    clearTimeout(timer)
  }

  async limitTo(nanoCpus: number): Promise<void> {
    if (this.runs) await this.container?.update({ NanoCpus: nanoCpus })
  }

  private async live(): Promise<void> {
    let end: LifeEnd
    try {
      end = await this.run()
    } catch (error) {
      end = this.endOf(error)
    }
    await this.remove()
    this.stream?.destroy()
    this.request.onEnd(end)
    this.commands.end()
  }

  private async run(): Promise<LifeEnd> {
    const { engine, request } = this
    await engine.prepare(request.onNote)
    const container = await this.create()
    const stream = (await container.attach({ stream: true, stdin: true, stdout: true, stderr: true, hijack: true })) as Duplex
    this.stream = stream
    this.listen(stream)
    const exit = container.wait({ condition: 'next-exit' }) as Promise<{ StatusCode: number }>
    // Its answer is awaited below; if the start fails before, that is the error to tell.
    exit.catch(() => {})
    if (this.killed) throw new Error('it was stopped before it began')
    await container.start()
    this.runs = true
    request.onNote('')
    request.log.write(`${new Date().toISOString()} the agent started this service as container ${container.id.slice(0, 12)}\n`)
    for (const message of this.queue.splice(0)) this.send(message)
    if (this.killed) await this.kill()
    const watch = new FolderWatch(request.config.indexPaths, () => this.send({ type: 'stop' }))
    try {
      const { StatusCode } = await exit
      await ended(stream, LAST_WORDS_MS)
      const { State } = await container.inspect()
      return { ...exitOf(StatusCode), overMemory: State.OOMKilled, lastLine: watch.changed || this.tail.lastLine() }
    } finally {
      this.runs = false
      watch.close()
    }
  }

  private async create(): Promise<Docker.Container> {
    const { engine, request } = this
    const spec = containerSpec(engine.options, request)
    const make = async () => await engine.calls.createContainer(spec)
    const made = await make().catch(async (error: unknown) => {
      // Of a life before, whose removal did not reach the engine.
      if (statusOf(error) !== 409) throw error
      await engine.calls
        .getContainer(spec.name ?? '')
        .remove({ force: true, v: true })
        .catch(ignoreStatus(404))
      return await make()
    })
    this.container = engine.calls.getContainer(made.id)
    return engine.lasting.getContainer(made.id)
  }

  private listen(stream: Duplex): void {
    const { log, onMessage } = this.request
    const streams = new ContainerStreams({
      onLog: (data) => {
        log.write(data)
        this.tail.add(data)
      },
      onMessage: (text) => {
        const message = readMessage(text)
        if (!message) log.write('the agent could not read a message of this service\n')
        else if (message.type === 'result') this.commands.answered(message)
        else onMessage(message)
      },
    })
    stream.on('data', (data: Buffer) => streams.push(data))
    // The engine went away: the call that waits for the container's end says so.
    stream.on('error', () => {})
  }

  private async kill(): Promise<void> {
    this.killed = true
    if (!this.runs) return
    await this.container?.kill().catch((error: unknown) => {
      if (![404, 409].includes(statusOf(error) ?? 0)) this.engine.options.log('a container could not be ended', error)
    })
  }

  /** Left to the next agent's start when the engine is away. */
  private async remove(): Promise<void> {
    await this.container?.remove({ force: true, v: true }).catch((error: unknown) => {
      if (![404, 409].includes(statusOf(error) ?? 0)) this.engine.options.log('a container could not be removed', error)
    })
  }

  private endOf(error: unknown): LifeEnd {
    const nothing = { code: null, signal: null, overMemory: false }
    if (error instanceof Unavailable) return { ...nothing, lastLine: '', unavailable: error.message }
    if (statusOf(error) === null && !this.killed) return { ...nothing, lastLine: '', unavailable: this.engine.away(error).message }
    return { ...nothing, lastLine: error instanceof Error ? error.message.slice(0, 300) : String(error) }
  }
}

function ended(stream: Duplex, limitMs: number): Promise<void> {
  if (stream.readableEnded || stream.destroyed) return Promise.resolve()
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, limitMs)
    stream.once('close', () => {
      clearTimeout(timer)
      resolve()
    })
    stream.once('end', () => {
      clearTimeout(timer)
      resolve()
    })
  })
}
