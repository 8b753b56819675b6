import { Sha256Hex } from '@thatdam/protocol/ids'
import * as z from 'zod/mini'
import { ownerHere } from '../trpc.ts'

/** The owner agrees, on this network: a cloud that was taken over must not be able to hand a ring over. */
export const goOver = ownerHere.input(z.strictObject({ fingerprint: Sha256Hex })).mutation(async ({ ctx, input }) => {
  await ctx.agent.goOver(input.fingerprint)
  return { fingerprint: input.fingerprint }
})
