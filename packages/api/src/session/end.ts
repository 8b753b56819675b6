import { signedIn } from '../trpc.ts'

export const end = signedIn.mutation(async ({ ctx }) => {
  // Before there is a password, whoever sits at the machine is its owner: that is no session to end.
  if (ctx.session.kind !== 'first-run') await ctx.agent.endSession(ctx.session.sessionId)
  ctx.clearSessionCookie()
  return { signedIn: false }
})
