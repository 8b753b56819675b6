import type { AgentState } from '../client.tsx'

type Other = AgentState['ring']['others'][number]

const GOES: Record<Other['fate'], string> = {
  asks: 'This one goes over to it when you agree.',
  'goes-over': 'This one goes over to it.',
  comes: 'Its machines come over to this one.',
  apart: 'Both go on side by side.',
}

/** What a person is told of another ring near. */
export function wordsOfRing(
  { nodeId, address, fate, reason }: Pick<Other, 'nodeId' | 'address' | 'fate' | 'reason'>,
  { ring, settings }: { ring: Pick<AgentState['ring'], 'claimed'>; settings: Pick<AgentState['settings'], 'name'> },
): string {
  const where = `${nodeId} at ${address}`
  if (!ring.claimed) return `A ring is near: ${where}. To join it, open its console and let ${settings.name} in under Nodes.`
  if (fate !== 'apart') return `Another ring of yours is near: ${where}. ${GOES[fate]}`
  // A reason may say that it is the same owner's, and what is missing to show that.
  return `Another ring is near${reason === '' ? ', with an owner of its own' : ''}: ${where}. ${GOES.apart}`
}
