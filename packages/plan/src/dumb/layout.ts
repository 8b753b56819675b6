import { SERVICE_NAMES, type ServiceName } from '@thatdam/protocol/plan'
import type { PlannedNode } from '../roster-view.ts'
import { dumbRanking } from './elect.ts'

/**
 * The slow, obvious twin of `synthesise`: one question for each machine and each service, asked of the whole ring every time.
 * It says only *which* services run where; modes and sentences have no second opinion. For tests only.
 */
export function dumbLayout(clusterId: string, nodes: readonly PlannedNode[], pinned: string | null): Record<string, ServiceName[]> {
  const ranking = dumbRanking(clusterId, nodes, pinned)
  const leader = ranking[0] ?? null
  const layout: Record<string, ServiceName[]> = {}
  for (const node of nodes) {
    const ring: Ring = leader === null ? { nodes: [node], leader, standbys: [] } : { nodes, leader, standbys: ranking.slice(1, 3) }
    layout[node.nodeId] = SERVICE_NAMES.filter((service) => runs(service, node, ring))
  }
  return layout
}

interface Ring {
  readonly nodes: readonly PlannedNode[]
  readonly leader: string | null
  readonly standbys: readonly string[]
}

const off = (node: PlannedNode, service: ServiceName): boolean => node.settings.excludeServices.includes(service)
const isZero = (node: PlannedNode): boolean => node.facts.powerClass === 'zero' || node.facts.ramBytes < 0.9e9
const isConsole = (node: PlannedNode, ring: Ring): boolean =>
  node.nodeId === ring.leader || (ring.leader === null && !isZero(node) && node.facts.ramBytes >= 1.8e9)

function runs(service: ServiceName, node: PlannedNode, ring: Ring): boolean {
  const leads = node.nodeId === ring.leader
  const console = isConsole(node, ring)
  const camera = node.facts.cameras.length > 0
  switch (service) {
    case 'supervisor':
    case 'discovery':
    case 'api-gateway':
    case 'local-console':
      return console
    case 'catalog':
      return console || (follows(node, ring) && !off(node, 'catalog'))
    case 'media-api':
      return console || (follows(node, ring) && !off(node, 'media-api'))
    case 'live-hub':
      return console && !off(node, service)
    case 'overlay-hub':
      return leads && ring.nodes.length > 1 && !off(node, service)
    case 'blob-store':
      return stores(node, ring)
    case 'capture-daemon':
      return !off(node, service) && !isZero(node) && (leads || ring.nodes.length === 1 || node.facts.alwaysOn || camera)
    case 'camera-proxy':
      return !off(node, service) && (isZero(node) || camera)
    case 'proxy-viewer':
      return !off(node, service) && ring.leader === null && !console
    case 'indexer':
      return !off(node, service) && !isZero(node) && (ring.nodes.length === 1 || paths(node) > 0)
    case 'deriver':
    case 'transcoder':
    case 'stream-processor':
    case 'intel':
      return works(service, node, ring)
  }
  return false
}

const paths = (node: PlannedNode): number => node.settings.indexPaths.length + node.facts.indexPaths.length

function follows(node: PlannedNode, ring: Ring): boolean {
  if (!ring.standbys.includes(node.nodeId)) return false
  if (node.facts.alwaysOn) return true
  const willing = ring.standbys.flatMap((nodeId) => ring.nodes.filter((other) => other.nodeId === nodeId && !off(other, 'catalog')))
  return !willing.some((other) => other.facts.alwaysOn) && willing[0] === node
}

function stores(node: PlannedNode, ring: Ring): boolean {
  const able = ring.nodes.filter((other) => !isZero(other) && !off(other, 'blob-store'))
  const steady = able.filter((other) => other.facts.alwaysOn || other.nodeId === ring.leader)
  if (steady.includes(node)) return true
  if (steady.length >= 2 || !able.includes(node)) return false
  if (node.facts.battery === null) return true
  return new Set([...steady, ...able.filter((other) => other.facts.battery === null)]).size < 2
}

type Work = 'deriver' | 'transcoder' | 'stream-processor' | 'intel'

/** A machine works when it is as fit as the fittest that is present and willing. */
function works(work: Work, node: PlannedNode, ring: Ring): boolean {
  const quota = { deriver: 'maxDerives', transcoder: 'maxTranscodes', intel: 'maxIntel', 'stream-processor': null } as const
  const willing = ring.nodes.filter((other) => {
    const limit = quota[work]
    return other.longAway !== true && !isZero(other) && !off(other, work) && (limit === null || other.settings.quotas[limit] !== 0)
  })
  if (!willing.includes(node)) return false
  const best = Math.min(...willing.map((other) => unfitness(work, other, ring)))
  return best < 9 && unfitness(work, node, ring) === best
}

function unfitness(work: Work, node: PlannedNode, ring: Ring): number {
  const { cpuCores, ramBytes, battery, gpus, alwaysOn, uiAvailable } = node.facts
  const leads = node.nodeId === ring.leader
  const alone = ring.nodes.length === 1
  const mains = battery === null
  const strong = cpuCores >= 8 && ramBytes >= 7e9
  const horse = strong && mains && ramBytes >= 14e9
  switch (work) {
    case 'deriver':
      if (alwaysOn && !uiAvailable && cpuCores >= 4) return 0
      if (!leads && mains && cpuCores >= 4) return 1
      return leads || strong ? 2 : 3
    case 'transcoder':
      if (horse) return leads ? 1 : 0
      if (alone || leads) return 9
      if (strong) return 2
      return mains && cpuCores >= 4 ? 3 : 9
    case 'stream-processor':
      if (!alone && !leads && strong && !mains) return 0
      return !leads && horse && ring.nodes.some((other) => other.facts.cameras.length > 0) ? 1 : 9
    case 'intel':
      if (horse && gpus.length > 0) return leads ? 1 : 0
      return !alone && !leads && strong ? 2 : 9
  }
  return 9
}
