import { AdoptionId, NewAdoptionRequest } from '@thatdam/protocol/ring-door'
import * as z from 'zod/mini'
import { ownerHere } from '../trpc.ts'

/** Begins to let a machine in; code and outcome follow in the state. */
export const adopt = ownerHere
  .input(z.strictObject({ publicKey: NewAdoptionRequest.shape.publicKey }))
  .mutation(({ ctx, input }) => ctx.agent.adopt(input))

/** `confirm`: a person saw the same six digits on both machines. */
export const answerAdoption = ownerHere
  .input(z.strictObject({ id: AdoptionId, answer: z.enum(['confirm', 'cancel']) }))
  .mutation(({ ctx, input }) => ctx.agent.answerAdoption(input.id, input.answer))
