import { AssetId } from '@thatdam/protocol/ops'
import * as z from 'zod/mini'
import { conflictsOf } from '../conflict.ts'
import { signedIn } from '../trpc.ts'

/** Fields that were edited on both sides of a cut, with the values to choose from. */
export const conflicts = signedIn.input(z.strictObject({ id: AssetId })).query(({ ctx, input }) => conflictsOf(ctx, 'asset', input.id))
