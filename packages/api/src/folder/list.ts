import * as z from 'zod/mini'
import { ownerHere } from '../trpc.ts'

/** One level of this machine's folders; null: where to begin, Pictures and Videos first. */
export const list = ownerHere
  .input(
    z.strictObject({
      path: z.nullable(
        z.string().check(
          z.minLength(1),
          z.maxLength(4096),
          z.refine((path) => !path.includes('\0'), 'A path cannot hold NUL.'),
        ),
      ),
    }),
  )
  .query(({ ctx, input }) => ctx.agent.folders(input.path))
