import * as z from 'zod/mini'

/**
 * Every error code of the product, with when it is thrown, its HTTP status and whether asking again later can help.
 * A caller asks one question of an error: retry, or stop and tell the person?
 */
export const ERRORS = {
  BAD_REQUEST: { status: 400, retry: false, when: 'the request does not match its schema' },
  BAD_PATH: { status: 400, retry: false, when: 'a path leaves its root, or holds NUL or an encoded separator' },
  UNAUTHENTICATED: { status: 401, retry: false, when: 'no valid credential; the answer is always the same bytes' },
  TOKEN_EXPIRED: { status: 401, retry: false, when: 'the join token was proven but its time is over' },
  TOKEN_USED: { status: 401, retry: false, when: 'the join token was proven but has been used up' },
  TOKEN_REVOKED: { status: 401, retry: false, when: 'the join token was proven but its owner revoked it' },
  TOKEN_WRONG_RING: { status: 401, retry: false, when: 'the join token was proven but belongs to another organisation or ring' },
  CLOCK_SKEW: { status: 401, retry: false, when: 'the join token was proven but the clocks differ by more than its life' },
  NODE_REVOKED: { status: 401, retry: false, when: 'the node was removed by its owner' },
  NODE_LOCKED: { status: 401, retry: false, when: 'two machines present the same node: a cloned disk' },
  FORBIDDEN: { status: 403, retry: false, when: 'authenticated, but this may not be done in this session' },
  FOREIGN_ORIGIN: { status: 403, retry: false, when: 'Host or Origin of the request is not this console' },
  NOT_FOUND: { status: 404, retry: false, when: 'no such thing, or it is not yours: the same bytes for both' },
  CONFLICT: { status: 409, retry: false, when: 'the state does not allow it now' },
  STALE_TERM: { status: 409, retry: false, when: 'an order carries an older term than the node has seen' },
  SOURCE_CHANGED: { status: 409, retry: false, when: 'an original was edited since it was indexed' },
  TOO_LARGE: { status: 413, retry: false, when: 'the body is larger than the route takes' },
  RANGE_NOT_SATISFIABLE: { status: 416, retry: false, when: 'the byte range lies outside the blob' },
  UNPROCESSABLE: { status: 422, retry: false, when: 'understood, but the op or record breaks a rule' },
  TOO_MANY_REQUESTS: { status: 429, retry: true, when: 'over the rate limit; Retry-After says how long to wait' },
  INTERNAL: { status: 500, retry: true, when: 'a defect of ours; the log has the stack' },
  NOT_IN_THIS_VERSION: { status: 501, retry: false, when: 'planned, but this version does not have it yet' },
  UNAVAILABLE: { status: 503, retry: true, when: 'a part is starting or is away' },
  DISK_FULL: { status: 507, retry: false, when: 'less free disk than the reserve' },
} as const

export type ErrorCode = keyof typeof ERRORS

/** What an error looks like on the wire. `message` says what happened, to what, and what to do next. */
export const ErrorBody = z.object({
  error: z.object({ code: z.string(), message: z.string(), retryAfterSeconds: z.optional(z.number()) }),
})
export type ErrorBody = z.infer<typeof ErrorBody>

/** An error that a person may read. `message` is one or two plain sentences; the cause stays for the log. */
export class ThatdamError extends Error {
  override readonly name = 'ThatdamError'
  readonly code: ErrorCode
  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.code = code
  }
  get status(): number {
    return ERRORS[this.code].status
  }
  get retry(): boolean {
    return ERRORS[this.code].retry
  }
  toBody(): ErrorBody {
    return { error: { code: this.code, message: this.message } }
  }
}

/** The one answer a stranger gets, byte for byte, whatever was wrong with the credential (THREATS 2). */
export const UNAUTHENTICATED_BODY = JSON.stringify({ error: { code: 'UNAUTHENTICATED', message: 'Not signed in.' } })
/** The one answer for a missing thing and for somebody else's thing (THREATS 8). */
export const NOT_FOUND_BODY = JSON.stringify({ error: { code: 'NOT_FOUND', message: 'There is nothing here.' } })
