import { ThatdamError } from '@thatdam/protocol/errors'
import { NodeId } from '@thatdam/protocol/ids'
import { OpId } from '@thatdam/protocol/ops'
import { NodeSettings } from '@thatdam/protocol/settings'
import * as z from 'zod/mini'
import { resolve as resolveField } from '../conflict.ts'
import { requireMember } from '../member.ts'
import { signedIn } from '../trpc.ts'

/** Chooses one of the values of a conflict in a machine's settings, by the op that set it. */
export const resolve = signedIn
  .input(z.strictObject({ nodeId: NodeId, field: z.keyof(NodeSettings), opId: OpId }))
  .mutation(({ ctx, input: { nodeId, field, opId } }) => {
    if (ctx.session.kind === 'handoff' && field !== 'name' && field !== 'labels') {
      throw new ThatdamError('FORBIDDEN', 'You came here from the cloud page, which may choose the name and labels only.')
    }
    return resolveField(ctx, { noun: 'node', subject: requireMember(ctx, nodeId).nodeId, field }, opId)
  })
