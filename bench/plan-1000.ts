import { planBodyHash } from '@thatdam/plan/body-hash'
import { dumbLayout } from '@thatdam/plan/dumb/layout'
import type { PlannedNode } from '@thatdam/plan/roster-view'
import { synthesise, type Synthesis } from '@thatdam/plan/synthesis/synthesise'
import type { CameraFacts } from '@thatdam/protocol/facts'
import type { PlanBody } from '@thatdam/protocol/plan'
import { DEFAULT_POLICY } from '@thatdam/protocol/settings'
import { PROFILE_NAMES } from '@thatdam/testkit/profiles/load'
import { CLUSTER_ID, machine } from '@thatdam/testkit/profiles/machine'
import { median, round, type Bench } from './contract.ts'

const NODES = 1_000
/** The twin asks the whole ring for each service of each node: a thousand nodes would take minutes. */
const TWIN_NODES = 60

const ring = (count: number): PlannedNode[] =>
  Array.from({ length: count }, (_, index) =>
    machine(PROFILE_NAMES[index % PROFILE_NAMES.length] ?? 'pi5-server', { nodeId: `node-${index}` }),
  )
const plan = (nodes: readonly PlannedNode[]): Synthesis => synthesise({ clusterId: CLUSTER_ID, nodes, policy: DEFAULT_POLICY })

/** A ring of 1,000 is planned anew, all bodies hashed; then one machine gets a camera or loses it, and the bodies that changed are hashed. */
export const plan1000: Bench = {
  name: 'plan-1000',
  about: 're-plan of 1,000 nodes with the hashes of all bodies (limit 50 ms), an incremental change (aim 5 ms), both beside the dumb twin',
  run({ quick, say }) {
    const nodes = ring(NODES)
    const few = ring(TWIN_NODES)
    const whole: number[] = []
    const planning: number[] = []
    const change: number[] = []
    const twin: number[] = []
    const oursOfFew: number[] = []
    let last = plan(nodes)
    for (let sample = 0; sample < (quick ? 9 : 31); sample++) {
      planning.push(timed(() => (last = plan(nodes))))
      whole.push((planning.at(-1) ?? 0) + timed(() => hashAll(last.plans.values())))
      const changed = nodes.with(sample % NODES, withCamera(nodes[sample % NODES], sample))
      change.push(timed(() => hashAll(changedBodies(last, plan(changed)))))
      twin.push(timed(() => dumbLayout(CLUSTER_ID, few, null)))
      oursOfFew.push(timed(() => plan(few)))
      say(`re-plan ${round(whole.at(-1) ?? 0)} ms (without hashes ${round(planning.at(-1) ?? 0)}), change ${round(change.at(-1) ?? 0)} ms`)
    }
    const value = median(whole)
    return Promise.resolve({
      name: 'plan-1000',
      unit: 'ms',
      ours: value,
      limit: 50,
      ratio: value / 50,
      samples: whole.length,
      more: {
        'ms to plan, without hashes': round(median(planning)),
        'ms for an incremental change': round(median(change)),
        [`ms for ${TWIN_NODES} nodes`]: round(median(oursOfFew), 3),
        [`ms of the dumb twin for ${TWIN_NODES} nodes`]: round(median(twin)),
        [`ours ÷ twin for ${TWIN_NODES} nodes`]: round(median(oursOfFew) / median(twin), 4),
      },
    })
  },
}

function timed(work: () => unknown): number {
  const startedAt = performance.now()
  work()
  return performance.now() - startedAt
}

function hashAll(bodies: Iterable<PlanBody>): void {
  for (const body of bodies) planBodyHash(body)
}

function withCamera(node: PlannedNode | undefined, sample: number): PlannedNode {
  if (node === undefined) throw new Error('no such node')
  const camera: CameraFacts = { cameraId: `usb-${sample}`, kind: 'v4l2', name: `Camera ${sample}`, locator: '/dev/video0', modes: [] }
  return { ...node, facts: { ...node.facts, cameras: [camera] } }
}

function changedBodies(before: Synthesis, after: Synthesis): PlanBody[] {
  return [...after.plans]
    .filter(([nodeId, body]) => JSON.stringify(body) !== JSON.stringify(before.plans.get(nodeId)))
    .map(([, body]) => body)
}
