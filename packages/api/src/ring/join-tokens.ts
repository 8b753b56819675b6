import { JoinTokenInfo, NewJoinTokenRequest } from '@thatdam/protocol/ring-door'
import * as z from 'zod/mini'
import { ownerHere } from '../trpc.ts'

/** Tokens of this ring that may still be used; never their text. */
export const tokens = ownerHere.query(async ({ ctx }) => (await ctx.agent.joinTokens()).tokens)

/** The text is in this one answer and nowhere else. */
export const makeToken = ownerHere
  .input(z.strictObject(NewJoinTokenRequest.shape))
  .mutation(({ ctx, input }) => ctx.agent.makeJoinToken(input))

export const revokeToken = ownerHere.input(z.strictObject({ id: JoinTokenInfo.shape.id })).mutation(async ({ ctx, input }) => {
  await ctx.agent.revokeJoinToken(input.id)
  return { id: input.id }
})
