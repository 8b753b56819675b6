import { NodeId } from '@thatdam/protocol/ids'
import * as z from 'zod/mini'
import { requireAgent, requireMember } from '../member.ts'
import { signedIn } from '../trpc.ts'

/** A machine's settings, and sentences about wishes that were not followed. Settings are null while this machine does not know them. */
export const settingsGet = signedIn.input(z.optional(z.strictObject({ nodeId: z.optional(NodeId) }))).query(({ ctx, input }) => {
  const { nodeId, self, settings, reported } = requireMember(ctx, input?.nodeId)
  const agent = requireAgent(ctx)
  return self
    ? { nodeId, settings: agent.settings, problems: agent.settingsProblems }
    : { nodeId, settings, problems: reported?.problems ?? [] }
})
