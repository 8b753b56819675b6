'use client'

type Request = Omit<RequestInit, 'signal'> & { signal?: AbortSignal | null | undefined }

/** Never settles: the page is about to be left. */
const LEFT = new Promise<never>(() => undefined)
/** Of what outlives its page a browser takes 64 KiB in all. */
const KEPT_CHARACTERS_MAX = 16_000

/**
 * Holds this page's questions back while its session changes. Asked in between they would be refused, and the page would take itself for signed out.
 * Give `ask` to the client for questions and `change` for what begins a new session.
 */
export class SessionGate {
  readonly #ended = new AbortController()
  #changed: Promise<unknown> = Promise.resolve()

  readonly ask = async (input: RequestInfo | URL, init: Request = {}): Promise<Response> => {
    await this.#changed
    // Whoever goes to another page at once has made the edit all the same.
    if (init.method === 'POST') return fetch(input, { ...init, signal: init.signal ?? null, keepalive: isShort(init.body) })
    const signals = [this.#ended.signal, ...(init.signal ? [init.signal] : [])]
    try {
      return await fetch(input, { ...init, signal: AbortSignal.any(signals) })
    } catch (error) {
      return this.#ended.signal.aborted ? LEFT : Promise.reject(error)
    }
  }

  readonly change = (input: RequestInfo | URL, init: Request = {}): Promise<Response> => {
    const answer = fetch(input, { ...init, signal: init.signal ?? null })
    this.#changed = answer.catch(() => undefined)
    return answer
  }

  /** The session ends and the page with it: questions under way are dropped, edits are not. */
  end(): void {
    this.#ended.abort()
  }
}

const isShort = (body: BodyInit | null | undefined): boolean => typeof body === 'string' && body.length <= KEPT_CHARACTERS_MAX
