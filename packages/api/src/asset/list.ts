import { listAssets } from '@thatdam/catalog/search'
import { AssetId, AssetKind } from '@thatdam/protocol/ops'
import * as z from 'zod/mini'
import { signedIn } from '../trpc.ts'

export const AssetFilter = {
  text: z.optional(z.string().check(z.maxLength(200, 'At most 200 characters.'))),
  kinds: z.optional(z.array(AssetKind).check(z.maxLength(4))),
  cameraModel: z.optional(z.string().check(z.maxLength(256))),
  fromMs: z.optional(z.number().check(z.int())),
  toMs: z.optional(z.number().check(z.int())),
  rating: z.optional(z.number().check(z.int(), z.minimum(0), z.maximum(5))),
  /** Looks into the trash instead. */
  trashed: z.optional(z.boolean()),
}

export const list = signedIn
  .input(
    z.strictObject({
      ...AssetFilter,
      limit: z.optional(z.number().check(z.int(), z.minimum(1), z.maximum(500))),
      /** Sent along by the client's infinite lists; pages go one way only. */
      direction: z.optional(z.literal('forward')),
      cursor: z.nullish(z.strictObject({ sortMs: z.number().check(z.int()), id: AssetId })),
    }),
  )
  .query(({ ctx, input: { cursor, direction: _direction, limit = 200, trashed = false, ...query } }) =>
    listAssets(ctx.pool, { ...query, limit, trashed, after: cursor ?? undefined }),
  )
