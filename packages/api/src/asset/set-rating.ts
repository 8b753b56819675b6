import * as z from 'zod/mini'
import { saveFields } from '../edit.ts'
import { signedIn } from '../trpc.ts'
import { AssetIds } from './trash.ts'

export const setRating = signedIn
  .input(z.strictObject({ ids: AssetIds, rating: z.number().check(z.int(), z.minimum(0), z.maximum(5)) }))
  .mutation(({ ctx, input }) =>
    saveFields(
      ctx,
      input.ids.map((subject) => ({ noun: 'asset', subject, fields: { rating: input.rating } })),
    ),
  )
