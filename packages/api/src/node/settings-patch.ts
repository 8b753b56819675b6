import type { Json } from '@thatdam/protocol/canonical'
import { ThatdamError } from '@thatdam/protocol/errors'
import { NodeId } from '@thatdam/protocol/ids'
import { NodeSettingsPatch } from '@thatdam/protocol/settings'
import * as z from 'zod/mini'
import { saveFields } from '../edit.ts'
import { requireMember } from '../member.ts'
import { signedIn } from '../trpc.ts'

/** What a session that came from the cloud may change: words, nothing that moves data or stops a service. */
const HANDOFF_FIELDS = new Set(['name', 'labels'])

/** Changes some settings of a machine of the ring, of this one without `nodeId`; unknown keys are refused. */
export const settingsPatch = signedIn
  .input(z.extend(NodeSettingsPatch, { nodeId: z.optional(NodeId) }))
  .mutation(async ({ ctx, input: { nodeId, ...wishes } }) => {
    const fields = Object.fromEntries(Object.entries(wishes).filter(([, value]) => value !== undefined)) as Record<string, Json>
    const names = Object.keys(fields)
    if (ctx.session.kind === 'handoff' && names.some((name) => !HANDOFF_FIELDS.has(name))) {
      throw new ThatdamError(
        'FORBIDDEN',
        'You came here from the cloud page, which may change the name and labels only. Sign in with the owner’s password to change the rest.',
      )
    }
    if (names.length === 0) throw new ThatdamError('BAD_REQUEST', 'Nothing was changed: the request names no setting.')
    return saveFields(ctx, [{ noun: 'node', subject: requireMember(ctx, nodeId).nodeId, fields }])
  })
