import { NodeFacts } from '@thatdam/protocol/facts'
import { readJson } from '@thatdam/store/durable'
import { readGivenFacts } from './given.ts'

/**
 * Facts of the last run, with what is known already now, so that services need not wait for the first gathering. Null: none.
 * @throws ThatdamError when FACTS_FILE cannot be used.
 */
export async function readKnownFacts(
  path: string,
  now: {
    readonly bootCounter: number
    readonly agentVersion: string
    readonly port: number
    readonly bind: 'loopback' | 'lan'
    readonly factsFile: string | null
  },
): Promise<NodeFacts | null> {
  const known = await readJson(path, NodeFacts).catch(() => null)
  if (!known) return null
  const { bootCounter, agentVersion } = now
  const given = now.factsFile === null ? {} : await readGivenFacts(now.factsFile)
  const reachability = { ...known.reachability, consolePort: now.port, consoleBind: now.bind }
  return { ...known, bootCounter, agentVersion, reachability, ...given }
}
