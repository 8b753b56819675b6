import { countAssets } from '@thatdam/catalog/search'
import * as z from 'zod/mini'
import { signedIn } from '../trpc.ts'
import { AssetFilter } from './list.ts'

export const count = signedIn
  .input(z.strictObject(AssetFilter))
  .query(({ ctx, input }) => countAssets(ctx.pool, { ...input, trashed: input.trashed ?? false, limit: 1 }))
