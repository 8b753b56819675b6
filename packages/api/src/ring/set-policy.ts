import { ThatdamError } from '@thatdam/protocol/errors'
import type { OpBody } from '@thatdam/protocol/ops'
import { POLICY_FIELDS, RingPolicy } from '@thatdam/protocol/settings'
import * as z from 'zod/mini'
import { append } from '../edit.ts'
import { requireAgent, requireMember } from '../member.ts'
import { ownerHere } from '../trpc.ts'

/** Wishes for the whole ring. Null: the ring decides. */
export const setPolicy = ownerHere.input(z.strictObject(z.partial(RingPolicy).shape)).mutation(async ({ ctx, input }) => {
  const { ring, node } = requireAgent(ctx)
  if (typeof input.goesOn === 'string' && input.goesOn !== node.clusterId) {
    throw new ThatdamError('CONFLICT', 'This is another ring by now. Look at the page again, and say it there.')
  }
  if (typeof input.pinnedLeader === 'string') requireMember(ctx, input.pinnedLeader)
  const bodies = POLICY_FIELDS.flatMap((field): OpBody[] => {
    const value = input[field]
    return value === undefined ? [] : [{ kind: 'policy.set', field, value, replaces: ring.policyEdits[field] }]
  })
  if (bodies.length === 0) throw new ThatdamError('BAD_REQUEST', 'Nothing was changed: the request names no wish.')
  return append(ctx, bodies)
})
