import * as z from 'zod/mini'
import { saveFields } from '../edit.ts'
import { signedIn } from '../trpc.ts'
import { AssetIds } from './trash.ts'

/** Takes out of the trash again. */
export const restore = signedIn.input(z.strictObject({ ids: AssetIds })).mutation(({ ctx, input }) =>
  saveFields(
    ctx,
    input.ids.map((subject) => ({ noun: 'asset', subject, fields: { trashed: false } })),
  ),
)
