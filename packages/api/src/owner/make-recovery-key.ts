import { ownerHere } from '../trpc.ts'

/** The words are in this one answer and nowhere else: the person prints them. */
export const makeRecoveryKey = ownerHere.mutation(({ ctx }) => ctx.agent.makeRecoveryKey())
