import type { NodeFacts } from '@thatdam/protocol/facts'

const ALWAYS_ON_MS = 10 * 60_000
const SLEEPER_MS = 24 * 3_600_000

/**
 * How long a machine may be away before its duties are given to others. One that is meant to be on all the time is missed soon; one that
 * sleeps, or is switched off at night, moves nothing by that.
 */
export const graceMsOf = ({ alwaysOn }: Pick<NodeFacts, 'alwaysOn'>): number => (alwaysOn ? ALWAYS_ON_MS : SLEEPER_MS)
