import { CameraId, NodeId } from '@thatdam/protocol/ids'
import * as z from 'zod/mini'
import { onNode } from '../member.ts'
import { signedIn } from '../trpc.ts'

/** Starts recording a camera, on the machine that it is connected to. The answer is capture-daemon's; what it records is in the state. */
export const start = signedIn
  .input(z.strictObject({ cameraId: CameraId, nodeId: z.optional(NodeId) }))
  .mutation(({ ctx, input: { cameraId, nodeId } }) =>
    ctx.agent.command('capture-daemon', { command: 'start', params: { cameraId }, ...onNode(ctx, nodeId) }),
  )
