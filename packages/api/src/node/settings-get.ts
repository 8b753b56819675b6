import { ThatdamError } from '@thatdam/protocol/errors'
import { signedIn } from '../trpc.ts'

/** This machine's settings, and sentences about wishes that were not followed. */
export const settingsGet = signedIn.query(({ ctx }) => {
  const { agent } = ctx.hub.current()
  if (agent === null) throw new ThatdamError('UNAVAILABLE', 'The agent on this machine does not answer yet. Try again in a moment.')
  return { nodeId: agent.node.nodeId, settings: agent.settings, problems: agent.settingsProblems }
})
