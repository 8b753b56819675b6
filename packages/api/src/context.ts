import type { Follower } from '@thatdam/catalog/follow'
import type { Session } from '@thatdam/protocol/local'
import type { Pool } from 'pg'
import type { AgentPort } from './agent-port.ts'
import type { StateHub } from './state-hub.ts'

/** argon2id, and a bound on guesses; both belong to the app that serves. */
export interface Passwords {
  hash(password: string): Promise<string>
  verify(hash: string, password: string): Promise<boolean>
  /** @throws ThatdamError TOO_MANY_REQUESTS while too many wrong guesses were made. */
  checkGuessAllowed(): void
  noteGuess(right: boolean): void
}

export interface ApiContext {
  /** Null: nobody is signed in. */
  session: Session | null
  agent: AgentPort
  pool: Pool
  follower: Follower
  hub: StateHub
  passwords: Passwords
  /** Ends when the browser went. */
  signal: AbortSignal
  /** Gives the browser a new session. */
  setSessionCookie(value: string, expiresAtMs: number): void
  clearSessionCookie(): void
}
