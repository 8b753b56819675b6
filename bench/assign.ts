import { dumbAssign } from '@thatdam/plan/dumb/sharing'
import { assign as assignAll, type KnownJob } from '@thatdam/plan/sharing/assign'
import { Board } from '@thatdam/plan/sharing/board'
import { PRIORITIES, type Job, type WorkNode } from '@thatdam/plan/sharing/contract'
import { LazyHeap } from '@thatdam/plan/sharing/heaps'
import { median, round, type Bench } from './contract.ts'

const JOBS = 200_000
const SLOTS = 1_000
const SLOTS_PER_NODE = 4
const START_MS = 1_800_000_000_000
/** Half of the jobs are there at the start, the others come in this time. */
const ARRIVALS_MS = 3_000_000

/** 32 bits of the same numbers in each run (Mulberry32). */
function chance(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000
  }
}

const nodesOf = (count: number): WorkNode[] =>
  Array.from({ length: count }, (_, index) => ({
    nodeId: `node-${index}`,
    cpuCores: SLOTS_PER_NODE,
    quotas: { maxDerives: SLOTS_PER_NODE, maxTranscodes: 1, maxIntel: 1, cpuReservePercent: 0, quietHours: null },
    utcOffsetMinutes: 0,
    isTaking: true,
  }))

/** Two in three make previews; each input lies on two nodes; twenty nodes ask. */
function jobsOf(count: number, nodes: readonly WorkNode[], queuedAtMs: (index: number) => number): Job[] {
  const random = chance(7)
  const draw = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T
  return Array.from({ length: count }, (_, index) => ({
    jobId: `job-${String(index).padStart(6, '0')}`,
    pool: draw(['derive', 'derive', 'derive', 'derive', 'transcode', 'intel']),
    priority: draw(PRIORITIES),
    asker: draw(nodes.slice(0, 20)).nodeId,
    queuedAtMs: queuedAtMs(index),
    credits: 1 + Math.floor(random() * 5),
    inputBytes: random() * 2e9,
    near: [draw(nodes).nodeId, draw(nodes).nodeId],
    onlyOn: null,
  }))
}

interface Run {
  readonly dispatchesPerSecond: number
  /** Busy slots ÷ slots, from the start until nothing waited any more. */
  readonly occupancy: number
  readonly nearShare: number
}

/** Plays the whole queue in virtual time, each job taking 5–60 s. Counted is all the board does: jobs added, finished, dispatched. */
function play(nodeCount: number, jobCount: number, arrivalsMs: number): Run {
  const nodes = nodesOf(nodeCount)
  const jobs = jobsOf(jobCount, nodes, (index) => START_MS + Math.max(0, index / jobCount - 0.5) * 2 * arrivalsMs)
  const random = chance(11)
  const ends = new LazyHeap<{ atMs: number; jobId: string }>(
    (a, b) => a.atMs - b.atMs || (a.jobId < b.jobId ? -1 : 1),
    () => true,
  )
  const spans: { readonly fromMs: number; readonly toMs: number }[] = []
  let [drainedAtMs, near, next, nowMs] = [START_MS, 0, 0, START_MS]
  const startedAt = performance.now()
  const board = new Board()
  for (const node of nodes) board.setNode(node, nowMs)
  while (spans.length < jobCount) {
    for (let job = jobs[next]; job !== undefined && job.queuedAtMs <= nowMs; job = jobs[++next]) board.add(job, nowMs)
    for (const { jobId, isNear } of board.dispatch(nowMs)) {
      const lastsMs = 5_000 + random() * 55_000
      ends.push({ atMs: nowMs + lastsMs, jobId })
      spans.push({ fromMs: nowMs, toMs: nowMs + lastsMs })
      if (isNear) near++
    }
    if (board.waitingJobs > 0) drainedAtMs = nowMs
    nowMs = Math.min(ends.first()?.atMs ?? Infinity, jobs[next]?.queuedAtMs ?? Infinity)
    ends.takeWhile(
      ({ atMs }) => atMs <= nowMs,
      ({ jobId, atMs }) => board.finish(jobId, atMs),
    )
  }
  const seconds = (performance.now() - startedAt) / 1_000
  const busyMs = spans.reduce((sum, { fromMs, toMs }) => sum + Math.max(0, Math.min(toMs, drainedAtMs) - fromMs), 0)
  const occupancy = busyMs / ((drainedAtMs - START_MS) * nodeCount * SLOTS_PER_NODE)
  return { dispatchesPerSecond: jobCount / seconds, occupancy, nearShare: near / jobCount }
}

/** 200,000 jobs over 1,000 slots; the cost of a dispatch with 10, 100 and 1,000 nodes; the dumb twin on a queue that it can bear. */
export const assign: Bench = {
  name: 'assign',
  about:
    '200,000 jobs over 1,000 slots: dispatches per second (aim ≥ 2,000), occupancy (≥ 95 %), cost from 10 to 1,000 nodes, beside the dumb twin',
  run({ quick, say }) {
    const runs: Run[] = []
    for (let sample = 0; sample < (quick ? 2 : 5); sample++) {
      const run = play(SLOTS / SLOTS_PER_NODE, JOBS, ARRIVALS_MS)
      runs.push(run)
      say(`${round(run.dispatchesPerSecond, 0)} dispatches/s, ${round(100 * run.occupancy)} % busy, ${round(100 * run.nearShare)} % near`)
    }
    const costs = costsOf([10, 100, 1_000], quick ? 3 : 5)
    const small = besideTwin(quick ? 3 : 7)
    const value = median(runs.map((run) => run.dispatchesPerSecond))
    return Promise.resolve({
      name: 'assign',
      unit: 'dispatches/s',
      ours: value,
      peer: { name: 'dumb twin, 150 jobs over 40 slots', value: round(small.twin) },
      limit: 2_000,
      ratio: value / small.twin,
      samples: runs.length,
      more: {
        'dispatches/s of ours, 150 jobs over 40 slots, all told anew': round(small.ours, 0),
        'occupancy, %': round(100 * median(runs.map((run) => run.occupancy))),
        'near, %': round(100 * median(runs.map((run) => run.nearShare))),
        ...costs,
      },
    })
  },
}

/** Microseconds a dispatch for rings of these sizes with the same 50,000 jobs, measured in turn. */
function costsOf(sizes: readonly number[], samples: number): Record<string, number> {
  const costs = sizes.map((nodes) => ({ nodes, micros: [] as number[] }))
  for (let sample = 0; sample < samples; sample++) {
    for (const { nodes, micros } of costs) micros.push(1e6 / play(nodes, 50_000, 0).dispatchesPerSecond)
  }
  return Object.fromEntries(costs.map(({ nodes, micros }) => [`µs a dispatch, ${nodes} nodes`, round(median(micros))]))
}

function perSecond(share: () => readonly unknown[]): number {
  const startedAt = performance.now()
  return (share().length / (performance.now() - startedAt)) * 1_000
}

/** The same small queue for both, in turn. */
function besideTwin(samples: number): { ours: number; twin: number } {
  const nodes = nodesOf(10)
  const jobs = jobsOf(150, nodes, () => START_MS).map((job): KnownJob => ({ job, runningOn: null }))
  const ours: number[] = []
  const twin: number[] = []
  for (let sample = 0; sample < samples; sample++) {
    ours.push(perSecond(() => assignAll(jobs, nodes, new Map(), START_MS + 60_000)))
    twin.push(perSecond(() => dumbAssign(jobs, nodes, new Map(), START_MS + 60_000)))
  }
  return { ours: median(ours), twin: median(twin) }
}
