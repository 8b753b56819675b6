import { ThatdamError } from '@thatdam/protocol/errors'
import type { LocalMember, LocalState } from '@thatdam/protocol/local'
import type { ApiContext } from './context.ts'

/** @throws ThatdamError UNAVAILABLE until the agent answered once. */
export function requireAgent(ctx: Pick<ApiContext, 'hub'>): LocalState {
  const { agent } = ctx.hub.current()
  if (agent === null) throw new ThatdamError('UNAVAILABLE', 'The agent on this machine does not answer yet. Try again in a moment.')
  return agent
}

/**
 * A machine of this ring; without an id, this one.
 * @throws ThatdamError NOT_FOUND, UNAVAILABLE
 */
export function requireMember(ctx: Pick<ApiContext, 'hub'>, nodeId: string | undefined): LocalMember {
  const { members, node } = requireAgent(ctx)
  const member = members.find((one) => one.nodeId === (nodeId ?? node.nodeId))
  if (member === undefined) throw new ThatdamError('NOT_FOUND', 'There is nothing here.')
  return member
}

/** What a call that concerns another machine adds for the agent; nothing for this one. */
export function onNode(ctx: Pick<ApiContext, 'hub'>, nodeId: string | undefined): { nodeId?: string } {
  const member = requireMember(ctx, nodeId)
  return member.self ? {} : { nodeId: member.nodeId }
}
