import { AssetId } from '@thatdam/protocol/ops'
import * as z from 'zod/mini'
import { saveFields } from '../edit.ts'
import { signedIn } from '../trpc.ts'

export const AssetIds = z.array(AssetId).check(z.minLength(1), z.maxLength(500, 'At most 500 files at a time.'))

/** Moves to trash. Nothing on disk is touched. */
export const trash = signedIn.input(z.strictObject({ ids: AssetIds })).mutation(({ ctx, input }) =>
  saveFields(
    ctx,
    input.ids.map((subject) => ({ noun: 'asset', subject, fields: { trashed: true } })),
  ),
)
