import { NodeId } from '@thatdam/protocol/ids'
import * as z from 'zod/mini'
import { requireMember } from '../member.ts'
import { ownerHere } from '../trpc.ts'

/** Puts a machine out of the ring, for good: coming back, it is let in as a new one. Its media stays on its disk. */
export const remove = ownerHere.input(z.strictObject({ nodeId: NodeId })).mutation(async ({ ctx, input }) => {
  const { nodeId } = requireMember(ctx, input.nodeId)
  await ctx.agent.removeMember(nodeId)
  return { nodeId }
})
