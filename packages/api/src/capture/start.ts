import { CameraId } from '@thatdam/protocol/ids'
import * as z from 'zod/mini'
import { signedIn } from '../trpc.ts'

/** Starts recording a camera. The answer is capture-daemon's; what it records is in the state. */
export const start = signedIn
  .input(z.strictObject({ cameraId: CameraId }))
  .mutation(({ ctx, input }) => ctx.agent.command('capture-daemon', 'start', { cameraId: input.cameraId }))
