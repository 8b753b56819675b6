import type { Json } from '@thatdam/protocol/canonical'
import { ThatdamError, type ErrorCode } from '@thatdam/protocol/errors'
import type { FromService, ToService } from '@thatdam/protocol/local'

const COMMAND_LIMIT_MS = 30_000
const COMMANDS_MAX = 256

interface Pending {
  readonly resolve: (value: Json) => void
  readonly reject: (error: Error) => void
  readonly timer: NodeJS.Timeout
}

/** Commands that wait for their answers: at most 256, each 30 s. */
export class Commands {
  private readonly send: (message: ToService) => void
  private readonly pending = new Map<number, Pending>()
  private next = 1

  constructor(send: (message: ToService) => void) {
    this.send = send
  }

  ask(command: string, params: Readonly<Record<string, Json>>): Promise<Json> {
    if (this.pending.size >= COMMANDS_MAX)
      return Promise.reject(
        new ThatdamError('TOO_MANY_REQUESTS', 'Too many commands wait for this part of the machine. Try again in a moment.'),
      )
    const id = this.next++
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.pending.delete(id)
        reject(new ThatdamError('UNAVAILABLE', `No answer to "${command}" within ${COMMAND_LIMIT_MS / 1000} s. Try again.`))
      }, COMMAND_LIMIT_MS)
      this.pending.set(id, { resolve, reject, timer })
      this.send({ type: 'command', id, command, params: { ...params } })
    })
  }

  answered(message: Extract<FromService, { type: 'result' }>): void {
    const waiting = this.pending.get(message.id)
    if (!waiting) return
    this.pending.delete(message.id)
    clearTimeout(waiting.timer)
    if (message.ok) waiting.resolve(message.value)
    else waiting.reject(readError(message.value))
  }

  /** The process ended: nobody answers any more. */
  end(): void {
    for (const waiting of this.pending.values()) {
      clearTimeout(waiting.timer)
      waiting.reject(new ThatdamError('UNAVAILABLE', 'This part of the machine stopped before it answered. Try again in a moment.'))
    }
    this.pending.clear()
  }
}

function readError(value: Json): ThatdamError {
  const { code, message } = value as { code?: ErrorCode; message?: string }
  return new ThatdamError(code ?? 'INTERNAL', message ?? 'The service failed; its log says why.')
}
