import { AssetId, OpId } from '@thatdam/protocol/ops'
import * as z from 'zod/mini'
import { resolve as resolveField } from '../conflict.ts'
import { signedIn } from '../trpc.ts'
import { requireAsset } from './get.ts'

const Field = z.enum(['title', 'note', 'rating', 'trashed'])

/** Chooses one of the values of a conflict, by the op that set it. */
export const resolve = signedIn.input(z.strictObject({ id: AssetId, field: Field, opId: OpId })).mutation(async ({ ctx, input }) => {
  await requireAsset(ctx, input.id)
  return resolveField(ctx, { noun: 'asset', subject: input.id, field: input.field }, input.opId)
})
