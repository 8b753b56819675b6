import { signedIn } from '../trpc.ts'

export const end = signedIn.mutation(async ({ ctx }) => {
  await ctx.agent.endSession(ctx.session.sessionId)
  ctx.clearSessionCookie()
  return { signedIn: false }
})
