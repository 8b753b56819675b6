import { planBodyHash } from '@thatdam/plan/body-hash'
import { dumbLayout } from '@thatdam/plan/dumb/layout'
import type { PlannedNode } from '@thatdam/plan/roster-view'
import { planRing, replan, type PlannedRing, type RingChange } from '@thatdam/plan/synthesis/replan'
import { synthesise, type Synthesis } from '@thatdam/plan/synthesis/synthesise'
import { canonicalJson } from '@thatdam/protocol/canonical'
import type { CameraFacts } from '@thatdam/protocol/facts'
import { DEFAULT_POLICY } from '@thatdam/protocol/settings'
import { PROFILE_NAMES } from '@thatdam/testkit/profiles/load'
import { CLUSTER_ID, machine } from '@thatdam/testkit/profiles/machine'
import { median, round, type Bench } from './contract.ts'

const NODES = 1_000
const WHOLE_MS_MAX = 50
/** The twin asks the whole ring for each service of each node: a thousand nodes would take minutes. */
const TWIN_NODES = 60

const ring = (count: number): PlannedNode[] =>
  Array.from({ length: count }, (_, index) =>
    machine(PROFILE_NAMES[index % PROFILE_NAMES.length] ?? 'pi5-server', { nodeId: `node-${index}` }),
  )
const input = (nodes: readonly PlannedNode[]) => ({ clusterId: CLUSTER_ID, nodes, policy: DEFAULT_POLICY })

/** What happens to a ring, one change after another. Null: the machine is gone. */
const CHANGES: Readonly<Record<string, (node: PlannedNode, sample: number) => PlannedNode | null>> = {
  'a camera appears': withCamera,
  'a machine falls asleep or wakes': (node) => ({ ...node, alive: !node.alive }),
  'a machine is renamed': (node, sample) => ({ ...node, settings: { ...node.settings, name: `Name ${sample}` } }),
  'a machine is retired': () => null,
}

/**
 * A ring of 1,000 is planned anew, all bodies hashed; then one thing changes at a time, and the plans and hashes that follow are made from those before.
 * They must be the bytes of a whole new plan.
 */
export const plan1000: Bench = {
  name: 'plan-1000',
  about: `re-plan of 1,000 nodes with the hashes of all bodies (limit ${WHOLE_MS_MAX} ms), an incremental change (aim 5 ms), the same bytes; the dumb twin beside`,
  run({ quick, say }) {
    const few = ring(TWIN_NODES)
    const whole: Time[] = []
    const planning: Time[] = []
    const twin: Time[] = []
    const oursOfFew: Time[] = []
    const changes = new Map(Object.keys(CHANGES).map((name): [string, Time[]] => [name, []]))
    let nodes = ring(NODES)
    let planned = planRing(input(nodes))
    for (let sample = 0; sample < (quick ? 9 : 31); sample++) {
      planning.push(timed(() => synthesise(input(nodes))))
      whole.push(timed(() => planRing(input(nodes))))
      for (const [name, change] of Object.entries(CHANGES)) {
        const at = (sample * 37 + 11) % nodes.length
        const step = changed(nodes, at, change, sample)
        let next = planned
        changes.get(name)?.push(timed(() => (next = replan(planned, step.change))))
        expectSame(next, synthesise(input(step.nodes)))
        nodes = step.nodes
        planned = next
      }
      twin.push(timed(() => dumbLayout(CLUSTER_ID, few, null)))
      oursOfFew.push(timed(() => synthesise(input(few))))
      const last = [...changes].map(([name, times]) => `${name} ${round(times.at(-1)?.ms ?? 0)}`)
      say(`re-plan ${round(whole.at(-1)?.ms ?? 0)} ms (without hashes ${round(planning.at(-1)?.ms ?? 0)}), ${last.join(', ')}`)
    }
    const value = medianMs(whole)
    const all = [...changes.values()].flat()
    const incremental = Object.fromEntries([...changes].map(([name, times]) => [`ms for one change: ${name}`, round(medianMs(times), 3)]))
    return Promise.resolve({
      name: 'plan-1000',
      unit: 'ms',
      ours: value,
      limit: WHOLE_MS_MAX,
      ratio: value / WHOLE_MS_MAX,
      samples: whole.length,
      more: {
        'ms of the processor for a re-plan': round(meanProcessorMs(whole)),
        'ms to plan, without hashes': round(medianMs(planning)),
        'ms for an incremental change': round(medianMs(all), 3),
        'ms of the processor for an incremental change': round(meanProcessorMs(all), 3),
        ...incremental,
        'changes whose bytes were compared with a whole plan': all.length,
        [`ms for ${TWIN_NODES} nodes`]: round(medianMs(oursOfFew), 3),
        [`ms of the dumb twin for ${TWIN_NODES} nodes`]: round(medianMs(twin)),
        [`ours ÷ twin for ${TWIN_NODES} nodes`]: round(medianMs(oursOfFew) / medianMs(twin), 4),
      },
    })
  },
}

/** Milliseconds by the clock, and of the processor: on a shared machine most of the first may be somebody else's. */
interface Time {
  readonly ms: number
  readonly processorMs: number
}

function timed(work: () => unknown): Time {
  const startedAt = performance.now()
  const before = process.threadCpuUsage()
  work()
  const { user, system } = process.threadCpuUsage(before)
  return { ms: performance.now() - startedAt, processorMs: (user + system) / 1_000 }
}

const medianMs = (times: readonly Time[]): number => median(times.map(({ ms }) => ms))
/** A mean: some systems count the processor in steps of milliseconds. */
const meanProcessorMs = (times: readonly Time[]): number => times.reduce((sum, { processorMs }) => sum + processorMs, 0) / times.length

function changed(
  nodes: readonly PlannedNode[],
  at: number,
  change: (node: PlannedNode, sample: number) => PlannedNode | null,
  sample: number,
): { nodes: PlannedNode[]; change: RingChange } {
  const node = nodes[at]
  if (node === undefined) throw new Error('no such node')
  const after = change(node, sample)
  if (after === null) return { nodes: nodes.toSpliced(at, 1), change: { kind: 'gone', nodeId: node.nodeId } }
  return { nodes: nodes.with(at, after), change: { kind: 'member', node: after } }
}

const textOf = ({ plans, warnings, leader, standbys }: Synthesis): string =>
  canonicalJson({ plans: [...plans.values()], warnings: warnings.map((warning) => ({ ...warning })), leader, standbys })

/** @throws Error when a plan that was made from the one before is not, byte for byte, what a whole new one gives. */
function expectSame(planned: PlannedRing, anew: Synthesis): void {
  if (textOf(planned) !== textOf(anew)) throw new Error('an incremental change gave other plans than planning anew')
  for (const [nodeId, body] of anew.plans) {
    if (planned.hashes.get(nodeId) !== planBodyHash(body)) throw new Error(`the hash of the plan of ${nodeId} is not that of its bytes`)
  }
}

function withCamera(node: PlannedNode, sample: number): PlannedNode {
  const camera: CameraFacts = { cameraId: `usb-${sample}`, kind: 'v4l2', name: `Camera ${sample}`, locator: '/dev/video0', modes: [] }
  return { ...node, facts: { ...node.facts, cameras: [camera] } }
}
