import * as z from 'zod/mini'
import { signedIn } from '../trpc.ts'

/** Long poll: at once when there is news after `after`, else held up to 20 s. */
export const get = signedIn
  .input(z.strictObject({ after: z.nullable(z.string().check(z.maxLength(64))) }))
  .query(({ ctx, input }) => ctx.hub.next(input.after, ctx.signal))
