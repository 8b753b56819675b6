import { ThatdamError } from '@thatdam/protocol/errors'
import type { OpBody } from '@thatdam/protocol/ops'
import { RingPolicy } from '@thatdam/protocol/settings'
import * as z from 'zod/mini'
import { append } from '../edit.ts'
import { requireAgent, requireMember } from '../member.ts'
import { ownerHere } from '../trpc.ts'

/** Wishes for the whole ring. Null: the ring decides. */
export const setPolicy = ownerHere
  .input(z.strictObject({ replicas: z.optional(RingPolicy.shape.replicas), pinnedLeader: z.optional(RingPolicy.shape.pinnedLeader) }))
  .mutation(async ({ ctx, input }) => {
    const { policyEdits } = requireAgent(ctx).ring
    if (typeof input.pinnedLeader === 'string') requireMember(ctx, input.pinnedLeader)
    const bodies = (['replicas', 'pinnedLeader'] as const).flatMap((field): OpBody[] => {
      const value = input[field]
      return value === undefined ? [] : [{ kind: 'policy.set', field, value, replaces: policyEdits[field] }]
    })
    if (bodies.length === 0) throw new ThatdamError('BAD_REQUEST', 'Nothing was changed: the request names no wish.')
    return append(ctx, bodies)
  })
