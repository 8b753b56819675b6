import { NodeId } from '@thatdam/protocol/ids'
import * as z from 'zod/mini'
import { conflictsOf } from '../conflict.ts'
import { requireMember } from '../member.ts'
import { signedIn } from '../trpc.ts'

/** Settings of a machine that were changed on both sides of a cut, with the values to choose from. */
export const conflicts = signedIn
  .input(z.strictObject({ nodeId: NodeId }))
  .query(({ ctx, input }) => conflictsOf(ctx, 'node', requireMember(ctx, input.nodeId).nodeId))
