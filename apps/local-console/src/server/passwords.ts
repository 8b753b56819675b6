import { hash, verify } from '@node-rs/argon2'
import type { Passwords } from '@thatdam/api/context'
import { ThatdamError } from '@thatdam/protocol/errors'

/** OWASP's smallest for argon2id (the package's default kind): 19 MiB, two passes, one lane. */
const PARAMETERS = { memoryCost: 19_456, timeCost: 2, parallelism: 1 }
const GUESSES_MAX = 10
const WINDOW_MS = 10 * 60_000
/** Each takes 19 MiB and a core for a moment. */
const PARALLEL_MAX = 2

/** Thrown beyond the limit; `retryAfterSeconds` goes into Retry-After. */
export class TooManyGuesses extends ThatdamError {
  readonly retryAfterSeconds: number
  constructor(retryAfterSeconds: number) {
    const minutes = Math.ceil(retryAfterSeconds / 60)
    super(
      'TOO_MANY_REQUESTS',
      `Too many wrong passwords. Wait ${minutes === 1 ? 'a minute' : `${minutes} minutes`} and try again, or set a new one on the machine itself.`,
    )
    this.retryAfterSeconds = retryAfterSeconds
  }
}

/**
 * There is one owner's password, so guesses are counted for the console as a whole: no header and no address makes more of them. A guess
 * counts when it begins, so that many at once do not slip through.
 */
export function passwords(now: () => number = Date.now): Passwords {
  let guesses: number[] = []
  let running = 0
  return {
    hash: (password) => hash(password, PARAMETERS),
    async verify(stored, password) {
      if (running >= PARALLEL_MAX) throw new TooManyGuesses(1)
      running++
      try {
        return await verify(stored, password)
      } catch {
        // A hash that is damaged fits no password.
        return false
      } finally {
        running--
      }
    },
    checkGuessAllowed() {
      guesses = guesses.filter((at) => at > now() - WINDOW_MS)
      const oldest = guesses[0]
      if (guesses.length >= GUESSES_MAX && oldest !== undefined) throw new TooManyGuesses(Math.ceil((oldest + WINDOW_MS - now()) / 1000))
      guesses.push(now())
    },
    noteGuess(right) {
      if (right) guesses = []
    },
  }
}
