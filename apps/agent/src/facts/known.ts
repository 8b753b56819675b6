import { NodeFacts } from '@thatdam/protocol/facts'
import { readJson } from '@thatdam/store/durable'

/** Facts of the last run, with what is known already now, so that services need not wait for the first gathering. Null: none. */
export async function readKnownFacts(
  path: string,
  now: { readonly bootCounter: number; readonly agentVersion: string; readonly port: number; readonly bind: 'loopback' | 'lan' },
): Promise<NodeFacts | null> {
  const known = await readJson(path, NodeFacts).catch(() => null)
  if (!known) return null
  const { bootCounter, agentVersion } = now
  return { ...known, bootCounter, agentVersion, reachability: { ...known.reachability, consolePort: now.port, consoleBind: now.bind } }
}
