import { UseRecoveryKeyRequest } from '@thatdam/protocol/ring-door'
import * as z from 'zod/mini'
import { ownerHere } from '../trpc.ts'

/** The printed key, as typed. What is wrong with it is said without repeating any of it. */
export const claimByRecoveryKey = ownerHere
  .input(z.strictObject({ words: UseRecoveryKeyRequest.shape.words }))
  .mutation(({ ctx, input }) => ctx.agent.useRecoveryKey(input))
