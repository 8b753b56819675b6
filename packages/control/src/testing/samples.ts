import type { NodeFacts } from '@thatdam/protocol/facts'
import type { JoinHelloResponse, JoinRequest } from '@thatdam/protocol/join'
import type { ReportRequest } from '@thatdam/protocol/poll'
import type { GenesisRecord, RosterBody, RosterRecord } from '@thatdam/protocol/roster'
import { makeGenesis } from '../genesis.ts'
import { buildJoinRequest, makeNonce } from '../join.ts'
import { fingerprint, generateKey, type KeyPair } from '../keys.ts'
import { recordHash } from '../roster.ts'
import type { StoredToken } from '../store.ts'
import { makeToken, newRingScope, parseToken } from '../token.ts'

export const FACTS: NodeFacts = {
  version: 1,
  hostname: 'pi5',
  os: 'linux',
  osName: 'Debian GNU/Linux 13 (trixie)',
  arch: 'arm64',
  model: 'Raspberry Pi 5 Model B Rev 1.0',
  cpuCores: 4,
  cpuModel: 'Cortex-A76',
  ramBytes: 8_000_000_000,
  stores: [{ root: '/srv/blobs', diskTotalBytes: 1e12, diskFreeBytes: 5e11 }],
  hasDocker: false,
  hasNode: true,
  hasFfmpeg: true,
  ffmpegVersion: '7.1',
  encoders: ['libx264'],
  cameras: [],
  gpus: [],
  netInterfaces: [],
  indexPaths: [],
  uiAvailable: true,
  powerClass: 'pi',
  alwaysOn: true,
  battery: null,
  reachability: { lanAddresses: ['192.168.1.5'], consolePort: 8080, consoleBind: 'loopback' },
  bootCounter: 1,
  agentVersion: '0.1.0',
}

export const reportOf = (nodeId: string): ReportRequest => ({
  version: 1,
  nodeId,
  sentAtMs: 1,
  facts: FACTS,
  role: 'leader',
  term: null,
  plan: { desiredHash: null, appliedHash: null, rejected: null, services: [] },
  settings: {
    cloudRevision: 0,
    value: { name: 'Pi', labels: [], indexPaths: [], excludeServices: [], excludeLeader: false, quotas: {}, quietHours: null },
    problems: [],
  },
  counts: { assets: 0, cameras: 0, recordingsActive: 0 },
  commandResults: [],
})

/** A token of the organisation `org-1`, good for 15 minutes from `nowMs`, and how a store keeps it. */
export function sampleToken(instanceKey: string, nowMs: number, changes: Partial<StoredToken> = {}): { text: string; stored: StoredToken } {
  const organisation = changes.organisation ?? { id: 'org-1', name: 'Ada’s machines' }
  const scope = changes.scope ?? newRingScope(organisation.id)
  const { text, tokenKey } = makeToken(scope, fingerprint(instanceKey))
  const stored = { tokenKey, scope, organisation, createdAtMs: nowMs, expiresAtMs: nowMs + 900_000, maxUses: 1, revokedAtMs: null }
  return { text, stored: { ...stored, ...changes } }
}

export const sampleGenesis = (node: KeyPair, nodeId: string, clusterId: string = crypto.randomUUID()) =>
  makeGenesis(node, { clusterId, nodeId, bootCounter: 1, createdAtMs: 1_800_000_000_000, nonce: makeNonce() })

const signedRecord = (signer: KeyPair, body: RosterBody): RosterRecord => ({
  body,
  signer: signer.publicKey,
  signature: signer.sign('thatdam-roster-v1', body),
})

/** An admission signed in sight of `previous`. */
export function sampleAdmission(
  signer: KeyPair,
  node: { publicKey: string; nodeId: string; admitter?: boolean },
  previous: RosterRecord,
): RosterRecord {
  const { publicKey, nodeId, admitter = false } = node
  const { clusterId } = previous.body
  const hash = recordHash(previous.body)
  return signedRecord(signer, { kind: 'admission', version: 1, clusterId, nodeId, publicKey, bootCounter: 1, admitter, previous: hash })
}

export function sampleRemoval(signer: KeyPair, nodeId: string, previous: RosterRecord, seen: RosterRecord[] = []): RosterRecord {
  const { clusterId } = previous.body
  const hashes = seen.map((record) => recordHash(record.body))
  return signedRecord(signer, { kind: 'removal', version: 1, clusterId, nodeId, seen: hashes, previous: recordHash(previous.body) })
}

/** A machine that is about to join: its key, and its request for a server's hello. */
export function sampleMachine(nodeId = 'pi5-0a1b2c', clusterId?: string) {
  const node = generateKey()
  const genesis = sampleGenesis(node, nodeId, clusterId)
  /** `ring`: another than its own that it is in. */
  const ask = (tokenText: string, hello: JoinHelloResponse, ring?: { genesis: GenesisRecord; records: RosterRecord[] }): JoinRequest =>
    buildJoinRequest({
      token: parseToken(tokenText),
      hello,
      // It may have another key by now.
      node: machine.node,
      nodeId,
      facts: FACTS,
      allowedIndexRoots: ['/srv/photos'],
      ...(ring ?? { genesis }),
    })
  const machine = { node, nodeId, genesis, ask }
  return machine
}
