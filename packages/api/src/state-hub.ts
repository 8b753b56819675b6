import { randomUUID } from 'node:crypto'
import type { Follower, FollowStatus } from '@thatdam/catalog/follow'
import type { LocalState } from '@thatdam/protocol/local'
import type { AgentPort } from './agent-port.ts'

/** How long a page's question is held when nothing changed. */
const HOLD_MS = 20_000
const WAITERS_MAX = 500
const RETRY_MS_MIN = 200
const RETRY_MS_MAX = 5_000

/** What a page knows of the machine. `cursor` is given back with the next question. */
export interface ConsoleState {
  cursor: string
  /** Null until the agent answered once. */
  agent: LocalState | null
  /** The agent answers now. When not, `agent` is what it said last. */
  agentReachable: boolean
  catalog: FollowStatus
}

export interface StateHub {
  current(): ConsoleState
  /** At once when `cursor` is not the newest, else with the next change or after 20 s. */
  next(cursor: string | null, signal: AbortSignal): Promise<ConsoleState>
  stop(): Promise<void>
}

/** One held question to the agent, shared by all open pages. */
export function stateHub(port: AgentPort, follower: Follower, log: (message: string, error: unknown) => void): StateHub {
  const hubId = randomUUID().slice(0, 8)
  const stopping = new AbortController()
  const waiters = new Set<() => void>()
  let revision = 0
  let agent: LocalState | null = null
  let agentReachable = false

  const changed = (): void => {
    revision++
    for (const wake of waiters) wake()
  }
  const unfollow = follower.onChange(changed)
  const current = (): ConsoleState => ({ cursor: `${hubId}.${revision}`, agent, agentReachable, catalog: follower.status() })

  const run = async (): Promise<void> => {
    let pauseMs = RETRY_MS_MIN
    while (!stopping.signal.aborted) {
      try {
        const next = await port.state(agentReachable ? (agent?.version ?? null) : null, stopping.signal)
        const moved = !agentReachable || next.version !== agent?.version
        agent = next
        agentReachable = true
        pauseMs = RETRY_MS_MIN
        if (moved) changed()
      } catch (error) {
        if (stopping.signal.aborted) return
        log('the agent does not tell its state', error)
        if (agentReachable) {
          agentReachable = false
          changed()
        }
        await new Promise((resolve) => setTimeout(resolve, pauseMs * (0.75 + Math.random() / 2)))
        pauseMs = Math.min(RETRY_MS_MAX, pauseMs * 2)
      }
    }
  }
  const ended = run()

  return {
    current,
    next(cursor, signal) {
      if (cursor !== `${hubId}.${revision}` || signal.aborted || waiters.size >= WAITERS_MAX) return Promise.resolve(current())
      return new Promise((resolve) => {
        const wake = (): void => {
          waiters.delete(wake)
          clearTimeout(timer)
          signal.removeEventListener('abort', wake)
          resolve(current())
        }
        const timer = setTimeout(wake, HOLD_MS)
        waiters.add(wake)
        signal.addEventListener('abort', wake, { once: true })
      })
    },
    async stop() {
      unfollow()
      stopping.abort()
      for (const wake of waiters) wake()
      await ended
    },
  }
}
