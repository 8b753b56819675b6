import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'

const RECONNECT_MS = { first: 100, most: 5_000 }
const CHANNEL = /^[a-z][a-z0-9_]{0,62}$/

export interface ListenOptions {
  url: string
  channels: readonly string[]
  onNotification(channel: string, payload: string): void
  /** After each (re)connection. Notifications sent meanwhile are lost: look at the rows again. */
  onListening?(): void
  /** A connection that ended or could not be made; it is tried again until `close`. */
  onError?(error: Error): void
}

export interface Listener {
  close(): Promise<void>
}

/**
 * LISTEN on one connection that is made again whenever it ends. Resolves once it listens for the first time.
 * The rows are the truth; a notification only says when to look.
 */
export async function listen(options: ListenOptions): Promise<Listener> {
  for (const channel of options.channels) if (!CHANNEL.test(channel)) throw new TypeError(`not a channel name: ${channel}`)
  const stop = new AbortController()
  let current: pg.Client | undefined

  /** Connects and returns the promise of the connection's end. */
  const connect = async (): Promise<{ ended: Promise<void> }> => {
    const client = new pg.Client({ connectionString: options.url, keepAlive: true })
    const ended = new Promise<void>((resolve) => client.once('end', resolve))
    client.on('error', (error) => options.onError?.(error))
    client.on('notification', (message) => options.onNotification(message.channel, message.payload ?? ''))
    await client.connect()
    current = client
    for (const channel of options.channels) await client.query(`LISTEN ${channel}`)
    options.onListening?.()
    return { ended }
  }

  const keep = async (first: Promise<void>): Promise<void> => {
    let ended = first
    let waitMs = RECONNECT_MS.first
    while (!stop.signal.aborted) {
      await ended
      if (stop.signal.aborted) return
      try {
        ;({ ended } = await connect())
        waitMs = RECONNECT_MS.first
      } catch (error) {
        options.onError?.(error instanceof Error ? error : new Error(String(error)))
        ended = delay(waitMs * (0.5 + Math.random()), undefined, { signal: stop.signal }).catch(() => undefined)
        waitMs = Math.min(waitMs * 2, RECONNECT_MS.most)
      }
    }
  }

  const { ended } = await connect()
  const kept = keep(ended)
  return {
    async close() {
      stop.abort()
      await current?.end().catch(() => undefined)
      await kept
    },
  }
}
