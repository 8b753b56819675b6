import { ERRORS, NOT_FOUND_BODY, UNAUTHENTICATED_BODY, type ErrorCode } from '@thatdam/protocol/errors'
import * as z from 'zod'
import type { Person } from '../domain/accounts.ts'
import { currentPerson } from './session.ts'

const BODY_BYTES_MAX = 65_536
const HEADERS = { 'content-type': 'application/json', 'cache-control': 'no-store' }
const Uuid = z.uuid()

export const answer = (status: number, body: unknown, headers: Record<string, string> = {}): Response =>
  new Response(typeof body === 'string' ? body : JSON.stringify(body), { status, headers: { ...HEADERS, ...headers } })

/** The same bytes for what is missing and for what is somebody else's. */
export const notFound = (): Response => answer(404, NOT_FOUND_BODY)
export const nothing = (): Response => new Response(null, { status: 204, headers: { 'cache-control': 'no-store' } })

export function refuse(code: ErrorCode, message: string, retryAfterSeconds?: number): Response {
  const retry = retryAfterSeconds === undefined ? {} : { retryAfterSeconds }
  return answer(
    ERRORS[code].status,
    { error: { code, message, ...retry } },
    retryAfterSeconds === undefined ? {} : { 'retry-after': String(retryAfterSeconds) },
  )
}

class BadBody extends Error {}

/** @throws BadBody: `route` answers 400, 413 or 415 with a sentence. */
export async function readBody<S extends z.core.$ZodType>(request: Request, schema: S): Promise<z.core.output<S>> {
  const text = await request.text()
  if (text.length > BODY_BYTES_MAX) throw new BadBody('The request is too long.')
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new BadBody('The request is not JSON.')
  }
  const parsed = z.core.safeParse(schema, value)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  const where = issue?.path.join('.')
  throw new BadBody(where ? `${where}: ${issue?.message}` : (issue?.message ?? 'The request is not understood.'))
}

/** A ThatdamError made by the server's modules is another class than the one of this bundle: its name tells. */
interface KnownError extends Error {
  code: ErrorCode
  retryAfterSeconds?: number
}
const isKnown = (error: unknown): error is KnownError => error instanceof Error && error.name === 'ThatdamError' && 'code' in error

function answerError(error: unknown): Response {
  if (error instanceof BadBody) return refuse('BAD_REQUEST', error.message)
  if (isKnown(error)) return refuse(error.code, error.message, error.retryAfterSeconds)
  console.error(error)
  return refuse('INTERNAL', 'Something went wrong here. Try again; if it stays, look at the server’s log.')
}

export interface Call {
  request: Request
  person: Person
  /** The `[id]` of the path, a UUID; another text is answered 404 before the handler runs. */
  id: string
}
/** Next gives a path without brackets no parameters at all. */
type Context = { params: Promise<Record<string, string | string[] | undefined> | undefined> }

/** A route for signed-in people. Authorisation lives here and in the queries, not in middleware. */
export function route(run: (call: Call) => Promise<Response>, options: { beforeFirstPassword?: boolean } = {}) {
  return async (request: Request, context: Context): Promise<Response> => {
    try {
      const person = await currentPerson()
      if (person === null) return answer(401, UNAUTHENTICATED_BODY)
      if (person.mustChangePassword && !options.beforeFirstPassword) return refuse('FORBIDDEN', 'Choose your own password first.')
      const id = (await context.params)?.['id']
      if (id !== undefined && !Uuid.safeParse(id).success) return notFound()
      return await run({ request, person, id: String(id ?? '') })
    } catch (error) {
      return answerError(error)
    }
  }
}

/** A route for anyone. */
export function openRoute(run: (request: Request) => Promise<Response>) {
  return async (request: Request): Promise<Response> => {
    try {
      return await run(request)
    } catch (error) {
      return answerError(error)
    }
  }
}
