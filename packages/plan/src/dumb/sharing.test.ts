import fc from 'fast-check'
import { expect, test } from 'vitest'
import { assign, boardOf, type KnownJob } from '../sharing/assign.ts'
import { POOLS, PRIORITIES, type Assignment, type WorkNode } from '../sharing/contract.ts'
import { dumbAssign } from './sharing.ts'

/** Noon, UTC. */
const NOW_MS = 1_800_014_400_000 - (1_800_014_400_000 % 86_400_000) + 43_200_000

const arbitraryNode = fc.record({
  cpuCores: fc.constantFrom(1, 2, 4, 16),
  quotas: fc.record({
    maxDerives: fc.nat(3),
    maxTranscodes: fc.nat(2),
    maxIntel: fc.nat(1),
    cpuReservePercent: fc.constantFrom(10, 30, 50, 90),
    quietHours: fc.constantFrom(null, null, { from: '22:00', to: '07:00' }, { from: '11:00', to: '13:00' }),
  }),
  utcOffsetMinutes: fc.constantFrom(0, 120, -480, 345),
  isTaking: fc.constantFrom(true, true, true, false),
})

const rarely = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | null> =>
  fc.oneof({ weight: 6, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: value })

const arbitraryJob = fc.record({
  pool: fc.constantFrom(...POOLS),
  priority: fc.constantFrom(...PRIORITIES),
  asker: fc.nat(5),
  agoMs: fc.constantFrom(0, 500, 1_500, 20_000, 60_000, 599_000, 600_000, 3_600_000, 5_000_000),
  credits: fc.constantFrom(0, 1, 30, 400),
  inputBytes: fc.constantFrom(0, 5e6, 1e9, 1e12),
  near: fc.array(fc.nat(41), { maxLength: 6 }),
  onlyOn: rarely(fc.nat(41)),
  runningOn: rarely(fc.nat(41)),
})

/** Rings of up to 40 nodes, with jobs that name two nodes nobody has heard of. */
export const arbitraryWork = fc
  .record({
    nodes: fc.array(arbitraryNode, { minLength: 1, maxLength: 40, size: 'max' }),
    jobs: fc.array(arbitraryJob, { maxLength: 40, size: 'max' }),
  })
  .map(({ nodes, jobs }) => {
    const place = (number: number): string => `n${number % (nodes.length + 2)}`
    const placeOrNull = (number: number | null): string | null => (number === null ? null : place(number))
    return {
      nodes: nodes.map((node, index): WorkNode => ({ ...node, nodeId: `n${index}` })),
      jobs: jobs.map(({ agoMs, asker, near, onlyOn, runningOn, ...rest }, index): KnownJob => {
        const names = { jobId: `j${index}`, asker: `n${asker}`, near: near.map(place), onlyOn: placeOrNull(onlyOn) }
        return { job: { ...rest, ...names, queuedAtMs: NOW_MS - agoMs }, runningOn: placeOrNull(runningOn) }
      }),
    }
  })

test('assign and its twin give out the same work in the same order, however it is listed', () => {
  let given = 0
  fc.assert(
    fc.property(arbitraryWork, ({ nodes, jobs }) => {
      const assignments = assign(jobs, nodes, new Map(), NOW_MS)
      given += assignments.length
      expect(assignments).toEqual(dumbAssign(jobs, nodes, new Map(), NOW_MS))
      expect(assign(jobs.toReversed(), nodes.toReversed(), new Map(), NOW_MS)).toEqual(assignments)
    }),
    { numRuns: 300 },
  )
  expect(given).toBeGreaterThan(1_000)
})

type Change = { kind: number; pick: number; forMs: number }
const arbitraryChanges = fc.array(
  fc.record({ kind: fc.nat(7), pick: fc.nat(1_000), forMs: fc.constantFrom(0, 0, 100, 1_000, 40_000, 3_600_000) }),
  { maxLength: 60, size: 'max' },
)

/** What the twin is told: the whole of it, each time anew. */
class Model {
  nowMs = NOW_MS
  readonly waiting: KnownJob[]
  readonly nodes: Map<string, WorkNode>
  readonly asked = new Map<string, KnownJob>()

  constructor(nodes: readonly WorkNode[], jobs: readonly KnownJob[]) {
    this.nodes = new Map(nodes.map((node) => [node.nodeId, node]))
    this.waiting = jobs.map(({ job }) => ({ job: { ...job, credits: 0 }, runningOn: null }))
  }

  note(assignments: readonly Assignment[]): void {
    for (const { jobId, nodeId } of assignments) {
      const known = this.asked.get(jobId)
      if (known !== undefined) this.asked.set(jobId, { ...known, runningOn: nodeId })
    }
  }

  dumb(): Assignment[] {
    return dumbAssign([...this.asked.values()], [...this.nodes.values()], new Map(), this.nowMs)
  }
}

function apply(model: Model, board: ReturnType<typeof boardOf>, { kind, pick, forMs }: Change): void {
  model.nowMs += forMs
  const running = [...model.asked.values()].filter(({ runningOn }) => runningOn !== null)
  const known = running[pick % Math.max(1, running.length)]
  const some = [...model.asked.values()][pick % Math.max(1, model.asked.size)]
  const node = [...model.nodes.values()][pick % Math.max(1, model.nodes.size)]
  const next = model.waiting.pop()
  if (next !== undefined && kind <= 2) {
    const job = { ...next.job, queuedAtMs: Math.min(model.nowMs, next.job.queuedAtMs + model.nowMs - NOW_MS) }
    expect(board.add(job, model.nowMs)).toBe(true)
    expect(board.add(job, model.nowMs)).toBe(false)
    model.asked.set(job.jobId, { job, runningOn: null })
  } else if (kind === 3 && known !== undefined) {
    board.finish(known.job.jobId, model.nowMs)
    model.asked.delete(known.job.jobId)
  } else if (kind === 4 && known !== undefined) {
    board.giveBack(known.job.jobId)
    model.asked.set(known.job.jobId, { ...known, runningOn: null })
  } else if (kind === 5 && some !== undefined) {
    board.cancel(some.job.jobId, model.nowMs)
    model.asked.delete(some.job.jobId)
  } else if (kind === 6 && node !== undefined) {
    const changed = { ...node, cpuCores: 1 + (pick % 8), isTaking: pick % 5 > 0 }
    board.setNode(changed, model.nowMs)
    model.nodes.set(node.nodeId, changed)
  } else if (kind === 7 && node !== undefined) {
    board.removeNode(node.nodeId)
    model.nodes.delete(node.nodeId)
    for (const [jobId, each] of model.asked) if (each.runningOn === node.nodeId) model.asked.set(jobId, { ...each, runningOn: null })
  }
}

test('a board that is told of each change gives out what its twin does that looks at everything each time', () => {
  let given = 0
  fc.assert(
    fc.property(arbitraryWork, arbitraryChanges, ({ nodes, jobs }, changes) => {
      const model = new Model(nodes, jobs)
      const board = boardOf([], nodes, new Map(), NOW_MS)
      for (const change of changes) {
        apply(model, board, change)
        const assignments = board.dispatch(model.nowMs)
        expect(assignments).toEqual(model.dumb())
        model.note(assignments)
        given += assignments.length
        const running = [...model.asked.values()].filter(({ runningOn }) => runningOn !== null).length
        expect([board.runningJobs, board.waitingJobs]).toEqual([running, model.asked.size - running])
      }
    }),
    { numRuns: 300 },
  )
  expect(given).toBeGreaterThan(300)
})

const nodeWithRoom = (nodeId: string): WorkNode => ({
  nodeId,
  cpuCores: 4,
  quotas: { maxDerives: 1, maxTranscodes: 0, maxIntel: 0, cpuReservePercent: 10, quietHours: null },
  utcOffsetMinutes: 0,
  isTaking: true,
})

test('the twins can disagree: a board that was not told of a node is noticed', () => {
  const rest = { priority: 'local', asker: 'n0', queuedAtMs: NOW_MS, credits: 1, inputBytes: 0, near: [], onlyOn: null } as const
  const jobs = [{ job: { jobId: 'j', pool: 'derive', ...rest }, runningOn: null } as const]
  const told = assign(jobs, [nodeWithRoom('n1')], new Map(), NOW_MS)
  expect(told).toHaveLength(1)
  expect(told).not.toEqual(dumbAssign(jobs, [nodeWithRoom('n0'), nodeWithRoom('n1')], new Map(), NOW_MS))
})
