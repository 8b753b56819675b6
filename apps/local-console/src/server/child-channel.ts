import { FromService, ToService, type ServiceConfig } from '@thatdam/protocol/local'
import { outliveReaders } from '@thatdam/protocol/output'

/*
 * The console's side of the channel to its agent (packages/protocol/src/local.ts): it is started like every child service, but may not
 * import the agent's own helper.
 *
 *   agent ── start{config} ─▶ console ── waiting / running ─▶ agent
 *                                     ── ready{url} ─▶
 *         ── stop, or the channel closes ─▶ stop handlers, last first, then exit 0
 */

/** The agent kills the group after 10 s. */
const STOP_LIMIT_MS = 9_000

export interface Channel {
  readonly config: ServiceConfig
  ready(url: string | null): void
  /** One sentence while the console cannot be used yet. */
  waiting(reason: string): void
  running(): void
  onStop(handler: () => Promise<void> | void): void
}

function send(message: FromService): void {
  if (process.connected) process.send?.(message)
}

/** Runs `main` with the agent's configuration. Call it once. */
export function runAsChild(main: (channel: Channel) => Promise<void>): void {
  if (!process.send) {
    process.stderr.write('The console is a part of the ThatDAM agent and is started by it: use `thatdam run`.\n')
    process.exit(64)
  }
  // When the agent is killed, nobody reads any more.
  outliveReaders(process.stdout, process.stderr)
  const handlers: (() => Promise<void> | void)[] = []
  let begun: Promise<void> | null = null
  let stopping = false

  const runHandlers = async (): Promise<void> => {
    for (const handler of handlers.splice(0).toReversed()) {
      try {
        await handler()
      } catch (error) {
        console.error(error)
      }
    }
  }

  const stop = async (code: number): Promise<void> => {
    if (stopping) return
    stopping = true
    setTimeout(() => process.exit(1), STOP_LIMIT_MS).unref()
    await runHandlers()
    // A start that is under way may still bring up what has to end: the database outlives its parent.
    await begun
    await runHandlers()
    process.exit(code)
  }
  const begin = (config: ServiceConfig): void => {
    if (begun !== null) return
    const channel: Channel = {
      config,
      ready: (url) => send({ type: 'ready', url }),
      waiting: (reason) => send({ type: 'waiting', reason: reason.slice(0, 500) }),
      running: () => send({ type: 'running', reason: '' }),
      onStop: (handler) => void handlers.push(handler),
    }
    begun = main(channel).catch((error: unknown) => {
      console.error(error)
      if (!stopping) channel.waiting(error instanceof Error ? error.message : String(error))
      void stop(1)
    })
  }

  process.on('message', (raw) => {
    const message = ToService.safeParse(raw)
    if (!message.success) console.error('a message of the agent does not match its schema', message.error)
    else if (message.data.type === 'start') begin(message.data.config)
    else if (message.data.type === 'stop') void stop(0)
    else if (message.data.type === 'command') {
      send({ type: 'result', id: message.data.id, ok: false, value: { code: 'NOT_FOUND', message: 'The console takes no commands.' } })
    }
  })
  process.on('disconnect', () => void stop(0))
  process.on('SIGTERM', () => void stop(0))
  process.on('SIGINT', () => {}) // a terminal's Ctrl-C reaches the whole group: the agent stops us in order
}
