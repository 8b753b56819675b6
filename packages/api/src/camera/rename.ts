import { CameraId } from '@thatdam/protocol/ids'
import * as z from 'zod/mini'
import { saveFields } from '../edit.ts'
import { signedIn } from '../trpc.ts'

const CameraName = z.string().check(z.trim(), z.minLength(1, 'A camera needs a name.'), z.maxLength(64, 'At most 64 characters.'))

export const rename = signedIn
  .input(z.strictObject({ cameraId: CameraId, name: CameraName }))
  .mutation(({ ctx, input }) => saveFields(ctx, [{ noun: 'camera', subject: input.cameraId, fields: { name: input.name } }]))
