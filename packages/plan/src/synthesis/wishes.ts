import { SERVICE_NAMES, type PlannedService, type ServiceName } from '@thatdam/protocol/plan'
import { canCarryConsole, hasCameras, hasIndexPaths, isSmall } from './capability.ts'
import { ineligible } from '../election/elect.ts'
import { nameOf, type PlannedNode, type PlanWarning } from '../roster-view.ts'
import { LEADER_CORE } from './leader-services.ts'
import { validQuietHours } from './quotas.ts'
import { excludes, type RingView } from './ring-view.ts'

const core: ReadonlySet<ServiceName> = new Set(LEADER_CORE)
const known: ReadonlySet<string> = new Set(SERVICE_NAMES)

/** Takes away what the owner does not want on this machine; the leader's own parts stay, with a warning. */
export function followExclusions(
  node: PlannedNode,
  services: readonly PlannedService[],
): { kept: PlannedService[]; warnings: PlanWarning[] } {
  const leads = services.some((service) => service.name === 'local-console')
  const isKept = (service: PlannedService): boolean => !excludes(node, service.name) || (leads && core.has(service.name))
  const forced = services.filter((service) => excludes(node, service.name) && isKept(service)).map((service) => service.name)
  const warnings = node.settings.excludeServices
    .filter((name) => !known.has(name))
    .map((name) => about(node, `${nameOf(node)} shall not run “${name}”, but there is no part of that name. Check the spelling.`))
  if (forced.length > 0) {
    const sentence = `${nameOf(node)} leads the ring and needs ${forced.join(', ')}, which you switched off there. Let another machine lead instead.`
    warnings.push(about(node, sentence))
  }
  return { kept: services.filter(isKept), warnings }
}

/** Wishes for one machine that contradict each other or the machine, and facts that cannot be. */
export function nodeWarnings(node: PlannedNode): PlanWarning[] {
  const name = nameOf(node)
  const sentences: string[] = []
  if (hasIndexPaths(node) && isSmall(node)) sentences.push(`${name} is too small to read folders; plug that disk into another machine.`)
  if (hasIndexPaths(node) && excludes(node, 'indexer')) {
    sentences.push(`${name} has folders to read, but reading is switched off there. Switch “indexer” on, or take its folders away.`)
  }
  if (hasCameras(node) && excludes(node, 'camera-proxy') && isSmall(node)) {
    sentences.push(`${name} has nothing to do: its cameras are switched off. Switch “camera-proxy” on, or retire the machine.`)
  }
  if (node.settings.quietHours !== null && !validQuietHours(node)) {
    sentences.push(`The quiet hours of ${name} are not two different times such as 22:00 and 07:00; it works at all hours.`)
  }
  return [...sentences, ...absurdFacts(node)].map((sentence) => about(node, sentence))
}

/** Figures that no machine has; the layout goes on without them. */
function absurdFacts(node: PlannedNode): string[] {
  const { ramBytes, cpuCores, stores } = node.facts
  const sentences: string[] = []
  const blame = (what: string): string => `${nameOf(node)} reports ${what}, which cannot be. Update ThatDAM on that machine.`
  if (!(ramBytes > 0 && Number.isFinite(ramBytes))) sentences.push(blame(`${ramBytes} bytes of memory`))
  if (!(Number.isInteger(cpuCores) && cpuCores >= 1 && cpuCores <= 1024)) sentences.push(blame(`${cpuCores} processor cores`))
  if (stores.some(({ diskTotalBytes, diskFreeBytes }) => !(diskTotalBytes >= 0 && diskFreeBytes >= 0 && diskFreeBytes <= diskTotalBytes))) {
    sentences.push(blame('a disk with more free than it holds, or with no sane size'))
  }
  return sentences
}

/** What the ring as a whole lacks, or was told and cannot do. */
export function ringWarnings(ring: RingView): PlanWarning[] {
  const { members, policy, leader } = ring
  const sentences: string[] = []
  if (leader === null) sentences.push(whyNoLeader(members))
  const pinned = members.find((node) => node.nodeId === policy.pinnedLeader)
  if (policy.pinnedLeader !== null && policy.pinnedLeader !== leader) sentences.push(whyNotPinned(policy.pinnedLeader, pinned))
  if (policy.replicas !== null && policy.replicas > ring.storeNodes.size) {
    const have = ring.storeNodes.size === 1 ? '1 machine keeps' : `${ring.storeNodes.size} machines keep`
    sentences.push(
      `You asked for ${policy.replicas} copies of everything, but ${have} copies. Add a machine that is always on, or ask for fewer.`,
    )
  }
  if (leader !== null && ring.storeNodes.size === 0) {
    sentences.push('No machine keeps recordings, as “blob-store” is switched off everywhere. Switch it on for one machine.')
  }
  if (leader !== null && ring.duties.deriver.size === 0) {
    sentences.push('No machine makes previews, as “deriver” is switched off everywhere. Switch it on for one machine.')
  }
  return sentences.map((sentence) => ({ nodeId: null, sentence }))
}

function whyNoLeader(members: readonly PlannedNode[]): string {
  const able = members.filter(canCarryConsole)
  if (able.length === 0) {
    return 'No machine here is large enough to lead, so each shows its own cameras. Add a machine with 2 GB of memory for one library.'
  }
  const allowed = able.filter((node) => ineligible(node) === null)
  if (allowed.length === 0) {
    return 'Every machine that could lead is set to “never lead”, so each works for itself. Allow one of them to lead.'
  }
  return 'No machine that may lead is awake, so each works for itself until one is back.'
}

function whyNotPinned(pinnedId: string, pinned: PlannedNode | undefined): string {
  if (pinned === undefined) return `You chose ${pinnedId} to lead, but it is not part of this ring. Choose another machine.`
  const reason = ineligible(pinned)
  if (reason === null) return `You chose ${nameOf(pinned)} to lead; it will as soon as it is awake and settled.`
  if (reason === 'excluded-by-owner') {
    return `You chose ${nameOf(pinned)} to lead and also set it to “never lead”. “Never lead” wins; change one of the two.`
  }
  return `You chose ${nameOf(pinned)} to lead, but it is too small: it needs 2 GB of memory. Choose another machine.`
}

const about = (node: PlannedNode, sentence: string): PlanWarning => ({ nodeId: node.nodeId, sentence })
