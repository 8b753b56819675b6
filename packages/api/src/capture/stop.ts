import { NodeId } from '@thatdam/protocol/ids'
import * as z from 'zod/mini'
import { onNode } from '../member.ts'
import { ownerHere } from '../trpc.ts'

/** Stops and keeps a recording. Not from the cloud: whoever takes that over cannot blind the cameras. */
export const stop = ownerHere
  .input(z.strictObject({ captureId: z.string().check(z.minLength(1), z.maxLength(128)), nodeId: z.optional(NodeId) }))
  .mutation(({ ctx, input: { captureId, nodeId } }) =>
    ctx.agent.command('capture-daemon', { command: 'stop', params: { captureId }, ...onNode(ctx, nodeId) }),
  )
