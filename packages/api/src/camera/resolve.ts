import { CameraId } from '@thatdam/protocol/ids'
import { OpId } from '@thatdam/protocol/ops'
import * as z from 'zod/mini'
import { resolve as resolveField } from '../conflict.ts'
import { signedIn } from '../trpc.ts'

/** Chooses one of the names of a conflict, by the op that set it. */
export const resolve = signedIn
  .input(z.strictObject({ cameraId: CameraId, opId: OpId }))
  .mutation(({ ctx, input }) => resolveField(ctx, { noun: 'camera', subject: input.cameraId, field: 'name' }, input.opId))
