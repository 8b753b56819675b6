import type * as z from 'zod/mini'
import { ThatdamError } from '@thatdam/protocol/errors'

/** @throws ThatdamError BAD_REQUEST that names the field. */
export function parseBody<S extends z.ZodMiniType>(schema: S, value: unknown): z.output<S> {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  const field = issue?.path.join('.').slice(0, 200) ?? ''
  throw new ThatdamError('BAD_REQUEST', `The request’s field “${field}” is not as expected: ${issue?.message ?? 'unknown'}`)
}
