import { CameraId } from '@thatdam/protocol/ids'
import * as z from 'zod/mini'
import { conflictsOf } from '../conflict.ts'
import { signedIn } from '../trpc.ts'

/** Names that were given on both sides of a cut. */
export const conflicts = signedIn
  .input(z.strictObject({ cameraId: CameraId }))
  .query(({ ctx, input }) => conflictsOf(ctx, 'camera', input.cameraId))
