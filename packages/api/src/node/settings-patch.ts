import type { Json } from '@thatdam/protocol/canonical'
import { ThatdamError } from '@thatdam/protocol/errors'
import { NodeSettingsPatch } from '@thatdam/protocol/settings'
import { saveFields } from '../edit.ts'
import { signedIn } from '../trpc.ts'

/** What a session that came from the cloud may change: words, nothing that moves data or stops a service. */
const HANDOFF_FIELDS = new Set(['name', 'labels'])

/** Changes some of this machine's settings; unknown keys are refused. */
export const settingsPatch = signedIn.input(NodeSettingsPatch).mutation(async ({ ctx, input }) => {
  const fields = Object.fromEntries(Object.entries(input).filter(([, value]) => value !== undefined)) as Record<string, Json>
  const names = Object.keys(fields)
  if (ctx.session.kind === 'handoff' && names.some((name) => !HANDOFF_FIELDS.has(name))) {
    throw new ThatdamError(
      'FORBIDDEN',
      'You came here from the cloud page, which may change the name and labels only. Sign in with the owner’s password to change the rest.',
    )
  }
  if (names.length === 0) throw new ThatdamError('BAD_REQUEST', 'Nothing was changed: the request names no setting.')
  const { agent } = ctx.hub.current()
  if (agent === null) throw new ThatdamError('UNAVAILABLE', 'The agent on this machine does not answer yet. Try again in a moment.')
  return saveFields(ctx, [{ noun: 'node', subject: agent.node.nodeId, fields }])
})
