import { publicProcedure } from '../trpc.ts'

/** Who is signed in here; null: nobody. */
export const get = publicProcedure.query(({ ctx }) =>
  ctx.session === null ? null : { kind: ctx.session.kind, displayName: ctx.session.displayName },
)
