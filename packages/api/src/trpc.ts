import { ERRORS, ThatdamError, type ErrorCode } from '@thatdam/protocol/errors'
import { initTRPC, TRPCError } from '@trpc/server'
import type { TRPC_ERROR_CODE_KEY } from '@trpc/server/rpc'
import type { ApiContext } from './context.ts'

/** An error of ours in tRPC's words; 507 has none and goes out as 422 with its own code beside it. */
const BY_STATUS: Readonly<Record<number, TRPC_ERROR_CODE_KEY>> = {
  400: 'BAD_REQUEST',
  401: 'UNAUTHORIZED',
  403: 'FORBIDDEN',
  404: 'NOT_FOUND',
  409: 'CONFLICT',
  413: 'PAYLOAD_TOO_LARGE',
  422: 'UNPROCESSABLE_CONTENT',
  429: 'TOO_MANY_REQUESTS',
  501: 'NOT_IMPLEMENTED',
  503: 'SERVICE_UNAVAILABLE',
  507: 'UNPROCESSABLE_CONTENT',
}

const PLAIN: Partial<Record<TRPC_ERROR_CODE_KEY, { code: ErrorCode; message: string }>> = {
  BAD_REQUEST: { code: 'BAD_REQUEST', message: 'This request is not one that the console makes. Reload the page and try again.' },
  UNAUTHORIZED: { code: 'UNAUTHENTICATED', message: 'Not signed in.' },
  NOT_FOUND: { code: 'NOT_FOUND', message: 'There is nothing here.' },
}

const t = initTRPC.context<ApiContext>().create({
  errorFormatter({ shape, error }) {
    const ours = error.cause instanceof ThatdamError ? error.cause : null
    const plain = ours ?? PLAIN[error.code] ?? { code: 'INTERNAL' as const, message: 'Something failed on our side; the log says what.' }
    // The first complaint of a schema is a sentence of ours where a person typed something.
    const issue = issuesOf(error.cause)[0]
    return {
      ...shape,
      message: issue?.message ?? plain.message,
      data: {
        code: shape.data.code,
        httpStatus: shape.data.httpStatus,
        thatdam: { code: plain.code, retry: ERRORS[plain.code].retry, field: issue?.path ?? null },
      },
    }
  },
})

function issuesOf(cause: unknown): { path: string; message: string }[] {
  const issues = (cause as { issues?: unknown } | undefined)?.issues
  if (!Array.isArray(issues)) return []
  const complaints = issues.map((issue: { path?: PropertyKey[]; message?: string }) => ({
    path: (issue.path ?? []).map(String).join('.'),
    message: issue.message ?? '',
  }))
  // A check without a sentence of its own says this: it is no person's typing, and the plain sentence is better.
  return complaints.filter((issue) => issue.message !== 'Invalid input')
}

export const router = t.router
export const createCallerFactory = t.createCallerFactory

const open = t.procedure.use(async ({ next }) => {
  const result = await next()
  if (!result.ok && result.error.cause instanceof ThatdamError) {
    const { cause } = result.error
    throw new TRPCError({ code: BY_STATUS[cause.status] ?? 'INTERNAL_SERVER_ERROR', message: cause.message, cause })
  }
  return result
})

/** Anybody: tells only whether they are signed in. */
export const publicProcedure = open

/** Any session, a hand-off from the cloud's page too: looking, titles, ratings, trash. */
export const signedIn = open.use(({ ctx, next }) => {
  if (ctx.session === null) throw new ThatdamError('UNAUTHENTICATED', 'Not signed in.')
  return next({ ctx: { ...ctx, session: ctx.session } })
})

/**
 * A session made on this network: by the owner's password, or on the machine itself before there is one. What comes from the cloud can
 * at most move to trash (THREATS 24): it cannot stop recordings, change folders, services or the password.
 */
export const ownerHere = signedIn.use(({ ctx, next }) => {
  if (ctx.session.kind === 'handoff') {
    throw new ThatdamError(
      'FORBIDDEN',
      'You came here from the cloud page, which may look but not do this. Sign in with the owner’s password first.',
    )
  }
  return next()
})
