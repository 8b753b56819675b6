import { getAsset, type AssetDetail } from '@thatdam/catalog/search'
import { ThatdamError } from '@thatdam/protocol/errors'
import { AssetId } from '@thatdam/protocol/ops'
import * as z from 'zod/mini'
import type { ApiContext } from '../context.ts'
import { signedIn } from '../trpc.ts'

/** @throws ThatdamError NOT_FOUND */
export async function requireAsset(ctx: ApiContext, id: string): Promise<AssetDetail> {
  const asset = await getAsset(ctx.pool, id)
  if (asset === null) throw new ThatdamError('NOT_FOUND', 'There is nothing here.')
  return asset
}

export const get = signedIn.input(z.strictObject({ id: AssetId })).query(({ ctx, input }) => requireAsset(ctx, input.id))
