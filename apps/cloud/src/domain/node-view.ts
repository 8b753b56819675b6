import type { CloudNode } from '@thatdam/db/generated/client'
import { NodeFacts } from '@thatdam/protocol/facts'
import type { Role, ServiceReport } from '@thatdam/protocol/plan'
import { ReportRequest } from '@thatdam/protocol/poll'
import { DEFAULT_SETTINGS, NodeSettings } from '@thatdam/protocol/settings'
import * as z from 'zod/mini'
import type { RingState } from './ring-rows.ts'

/** A machine as the pages show it. Ages are by this server's clock. */
export interface NodeView {
  id: string
  nodeId: string
  settings: NodeSettings
  /** `saved`: on its way to the machine. `applied`: its report confirmed the last change. */
  settingsState: 'applied' | 'saved'
  /** Sentences from the machine about wishes it did not follow. */
  problems: string[]
  /** Folders that the machine's owner allowed, on the machine, to be indexed. */
  allowedIndexRoots: string[]
  hostname: string
  osName: string
  os: NodeFacts['os']
  arch: string
  model: string | null
  agentVersion: string
  role: Role | null
  /** Of the leadership that it reported; null before. */
  termNumber: number | null
  /** Where it stands in the organisation's ring; null: it joined before there was one. */
  ringState: RingState | null
  /** Hash of the genesis of the ring that it reported last to be in. */
  reportedRing: string | null
  services: ServiceReport[]
  counts: { assets: number; cameras: number; recordingsActive: number } | null
  contactAgeMs: number
  /** Two machines presented this identity; both are kept out until the owner decides. */
  locked: boolean
  console: { url: string | null; reason: string }
}

export interface Viewer {
  nowMs: number
  /** Name of the machine that the browser runs on, when known: its own console can be reached on loopback. */
  machine: string | null
}

/** As the server's ring-store writes it. */
const RingStateText = z.enum(['waiting', 'in', 'out'])

const KeptReport = z.omit(ReportRequest, { facts: true })
type KeptReport = z.infer<typeof KeptReport>

function reportOf(row: CloudNode): KeptReport | null {
  const parsed = KeptReport.safeParse(row.report)
  return parsed.success ? parsed.data : null
}

/** What the owner wishes: the cloud's own words until the machine confirmed them, then the machine's. */
export function settingsOf(row: CloudNode): NodeSettings {
  const wished = NodeSettings.safeParse(row.settings)
  if (wished.success && row.settingsRevision > row.settingsConfirmed) return wished.data
  return reportOf(row)?.settings.value ?? (wished.success ? wished.data : DEFAULT_SETTINGS(row.nodeId))
}

function consoleOf(facts: NodeFacts | null, role: Role | null, viewer: Viewer): NodeView['console'] {
  if (facts === null) return { url: null, reason: 'This machine has not told its address yet.' }
  if (role === 'proxy') return { url: null, reason: 'This machine only serves its cameras: open the console of another one.' }
  const { lanAddresses, consolePort, consoleBind } = facts.reachability
  if (viewer.machine === facts.hostname) return { url: `http://localhost:${consolePort}`, reason: '' }
  if (consoleBind === 'loopback') {
    const reason = `Its console answers only on the machine itself until it has an owner’s password: open http://localhost:${consolePort} there and set one.`
    return { url: null, reason }
  }
  const address = lanAddresses[0]
  if (address === undefined) return { url: null, reason: 'This machine has no address that others can reach. Connect it to the network.' }
  const host = address.includes(':') ? `[${address}]` : address
  return { url: `http://${host}:${consolePort}`, reason: '' }
}

export function viewOf(row: CloudNode, viewer: Viewer): NodeView {
  const parsedFacts = NodeFacts.safeParse(row.facts)
  const facts = parsedFacts.success ? parsedFacts.data : null
  const report = reportOf(row)
  const role = report?.role ?? null
  return {
    id: row.id,
    nodeId: row.nodeId,
    settings: settingsOf(row),
    settingsState: row.settingsRevision > row.settingsConfirmed ? 'saved' : 'applied',
    problems: report?.settings.problems ?? [],
    allowedIndexRoots: row.allowedIndexRoots,
    hostname: facts?.hostname ?? row.nodeId,
    osName: facts?.osName ?? 'unknown system',
    os: facts?.os ?? 'linux',
    arch: facts?.arch ?? '',
    model: facts?.model ?? null,
    agentVersion: facts?.agentVersion ?? '',
    role,
    termNumber: report?.term?.number ?? null,
    ringState: RingStateText.safeParse(row.ringState).data ?? null,
    reportedRing: report?.ring?.genesisHash ?? null,
    services: report?.plan.services ?? [],
    counts: report?.counts ?? null,
    contactAgeMs: Math.max(0, viewer.nowMs - row.lastContactAt.getTime()),
    locked: row.lockedAt !== null,
    console: consoleOf(facts, role, viewer),
  }
}
