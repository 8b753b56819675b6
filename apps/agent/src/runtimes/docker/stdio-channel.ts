import { isMainThread } from 'node:worker_threads'

/*
 * Node's IPC channel over standard streams, for a service in a container: loaded before its program, which then uses process.send and
 * process.on('message') as it does under `exec`.
 *
 *   stdin   one JSON message a line                       its end: the agent is gone, or closed the channel
 *   stdout  RS, JSON, newline is a message (RFC 7464); all else is log
 *
 * Why not a port or a socket file: the streams need no mount and no address, work with every engine, and nobody else can reach them.
 */

const RECORD = '\u001E'

function open(): void {
  let connected = true
  process.send = (message: unknown, ...rest: unknown[]): boolean => {
    if (!connected) return false
    const done = rest.findLast((one) => typeof one === 'function') as ((error: Error | null) => void) | undefined
    return process.stdout.write(`${RECORD}${JSON.stringify(message)}\n`, (error) => done?.(error ?? null))
  }
  Object.defineProperty(process, 'connected', { configurable: true, get: () => connected })
  process.stdin.setEncoding('utf8')
  let rest = ''
  process.stdin.on('data', (text: string) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) process.emit('message', JSON.parse(line), undefined)
  })
  const close = () => {
    if (!connected) return
    connected = false
    process.emit('disconnect')
  }
  process.stdin.on('end', close)
  process.stdin.on('error', close)
  // The agent is gone: what is still written has no reader.
  process.stdout.on('error', close)
}

// A worker, or a child that was forked with the same flags, has its own channel.
if (isMainThread && !process.send) open()
