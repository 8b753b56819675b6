import { signedIn } from '../trpc.ts'

/** Takes this session along to the machine that leads next, should this one fall silent. Null: there is no session to take along. */
export const ticket = signedIn.mutation(({ ctx }) =>
  ctx.session.kind === 'first-run' ? null : ctx.agent.roamTicket(ctx.session.sessionId),
)
