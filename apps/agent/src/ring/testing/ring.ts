import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeGenesis } from '@thatdam/control/genesis'
import { generateKey } from '@thatdam/control/keys'
import { recordHash } from '@thatdam/control/roster'
import type { RosterRecord } from '@thatdam/protocol/roster'
import { readEnv } from '../../env.ts'
import type { NodeRoute } from '../../link/server.ts'
import type { Log } from '../../log.ts'
import type { Identity } from '../../state/identity.ts'
import { statePaths } from '../../state/paths.ts'
import { RingPart, type RingPartPorts } from '../ring-part.ts'
import { RosterStore, type RingRecords } from '../roster-store.ts'

export const quietLog: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

export function identities(names: readonly string[]): Identity[] {
  return names.map((nodeId) => ({ nodeId, key: generateKey(), former: [], next: null }))
}

/** A ring that the first one founded, and into which it has let all others. */
export function foundRing(members: readonly Identity[]): RingRecords {
  const [founder, ...others] = members
  if (founder === undefined) throw new RangeError('a ring has a founder')
  const genesis = makeGenesis(founder.key, {
    clusterId: '0f0e0d0c-0b0a-4908-8706-050403020100',
    nodeId: founder.nodeId,
    bootCounter: 0,
    createdAtMs: 1_800_000_000_000,
    nonce: 'AAAAAAAAAAAAAAAAAAAAAA',
  })
  return { genesis, later: others.map((other) => admission(founder, other, genesis.body.clusterId, recordHash(genesis.body))) }
}

export function admission(admitter: Identity, { nodeId, key }: Identity, clusterId: string, previous: string): RosterRecord {
  const body = {
    kind: 'admission',
    version: 1,
    clusterId,
    nodeId,
    publicKey: key.publicKey,
    bootCounter: 0,
    admitter: false,
    previous,
  } as const
  return { body, signer: admitter.key.publicKey, signature: admitter.key.sign('thatdam-roster-v1', body) }
}

/** One node's part on a loopback address of its own, which finds the others by the seeds given. */
export async function openPart(
  identity: Identity,
  records: RingRecords,
  at: { address: string; port: number; seeds: string; ranking: readonly string[]; routes?: readonly NodeRoute[] },
): Promise<RingPart> {
  const stateDir = mkdtempSync(join(tmpdir(), 'thatdam-ring-'))
  const paths = statePaths(stateDir)
  const env = readEnv({
    STATE_DIR: stateDir,
    NODE_API_PORT: String(at.port),
    NODE_API_BIND: at.address,
    GOSSIP_JOIN: at.seeds,
    DISCOVERY_BACKEND: 'gossip',
  })
  const opened: { part: RingPart | null } = { part: null }
  const ports: RingPartPorts = {
    env,
    paths,
    identity,
    store: new RosterStore(paths.roster, records),
    bootCounter: 1,
    log: quietLog,
    notice: () => {},
    rendezvous: null,
    clockIsSynchronised: () => true,
    routes: () => at.routes ?? [],
    presence: () => ({ claimed: true, role: 'worker', consolePort: null }),
    changed: () => opened.part?.rank(at.ranking),
  }
  opened.part = await RingPart.open(ports)
  await opened.part.start()
  opened.part.rank(at.ranking)
  return opened.part
}
