import * as z from 'zod/mini'
import { ownerHere } from '../trpc.ts'

/** Stops and keeps a recording. Not from the cloud: whoever takes that over cannot blind the cameras. */
export const stop = ownerHere
  .input(z.strictObject({ captureId: z.string().check(z.minLength(1), z.maxLength(128)) }))
  .mutation(({ ctx, input }) => ctx.agent.command('capture-daemon', 'stop', { captureId: input.captureId }))
