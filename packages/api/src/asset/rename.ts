import { AssetId } from '@thatdam/protocol/ops'
import * as z from 'zod/mini'
import { saveFields } from '../edit.ts'
import { signedIn } from '../trpc.ts'
import { requireAsset } from './get.ts'

export const AssetTitle = z
  .string()
  .check(z.trim(), z.minLength(1, 'A file needs a name.'), z.maxLength(1024, 'A name has at most 1,024 characters.'))

/** Changes the title in the catalog; the file on disk keeps its name. */
export const rename = signedIn.input(z.strictObject({ id: AssetId, title: AssetTitle })).mutation(async ({ ctx, input }) => {
  await requireAsset(ctx, input.id)
  return saveFields(ctx, [{ noun: 'asset', subject: input.id, fields: { title: input.title } }])
})
