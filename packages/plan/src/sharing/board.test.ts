import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { assign, distinctNodes } from './assign.ts'
import { Board } from './board.ts'
import { poolOf, type Job, type Priority, type WorkNode } from './contract.ts'
import { BASELINE_CREDITS, creditsAt } from './credits.ts'
import { NEAR_ADVANCE_MS, NEAR_WAIT_MS_MAX, OVERTAKE_MS_MAX } from './turn.ts'

const MINUTE_MS = 60_000
const NOW_MS = 1_800_000_000_000

const job = (jobId: string, changes: Partial<Job> = {}): Job => ({
  jobId,
  pool: 'derive',
  priority: 'local',
  asker: 'pi5-desktop',
  queuedAtMs: NOW_MS,
  credits: 1,
  inputBytes: 0,
  near: [],
  onlyOn: null,
  ...changes,
})

/** A node with room for this many derives. */
const node = (nodeId: string, derives = 1): WorkNode => ({
  nodeId,
  cpuCores: derives,
  quotas: { maxDerives: derives, maxTranscodes: 1, maxIntel: 1, cpuReservePercent: 0, quietHours: null },
  utcOffsetMinutes: 0,
  isTaking: true,
})

function boardWith(...nodes: WorkNode[]): Board {
  const board = new Board()
  for (const each of nodes) board.setNode(each, NOW_MS)
  return board
}

describe('turns', () => {
  test('local before distributed before external, of what was queued together', () => {
    const board = boardWith(node('a', 3))
    for (const priority of ['external', 'distributed', 'local'] satisfies Priority[]) board.add(job(priority, { priority }), NOW_MS)
    expect(board.dispatch(NOW_MS).map(({ jobId }) => jobId)).toEqual(['local', 'distributed', 'external'])
  })

  test('an external job waits behind an hour of local ones, and behind no more', () => {
    const board = boardWith(node('a'))
    board.add(job('outside', { priority: 'external' }), NOW_MS)
    let doneAtMinute = -1
    for (let minute = 0; minute <= 70 && doneAtMinute < 0; minute++) {
      const nowMs = NOW_MS + minute * MINUTE_MS
      board.add(job(`local ${minute}`, { queuedAtMs: nowMs }), nowMs)
      const [given] = board.dispatch(nowMs)
      if (given?.jobId === 'outside') doneAtMinute = minute
      board.finish(given?.jobId ?? '', nowMs)
      board.cancel(`local ${minute - 1}`, nowMs)
    }
    expect(doneAtMinute).toBe(60)
  })

  test('whatever is queued, a job is overtaken on a node only by what was queued less than the bound after it', () => {
    const arbitraryJob = fc.record({
      priority: fc.constantFrom<Priority>('local', 'distributed', 'external'),
      asker: fc.constantFrom('rich', 'poor'),
      credits: fc.constantFrom(0, 100, 2_000),
      afterMs: fc.nat(3 * OVERTAKE_MS_MAX),
      near: fc.constantFrom<string[]>([], ['a'], ['b']),
    })
    fc.assert(
      fc.property(fc.array(arbitraryJob, { minLength: 2, maxLength: 30 }), (plots) => {
        const nowMs = NOW_MS + 4 * OVERTAKE_MS_MAX
        const board = boardWith(node('a'))
        const jobs = plots.map(({ afterMs, ...rest }, index) => job(`j${index}`, { ...rest, queuedAtMs: NOW_MS + afterMs }))
        for (const each of jobs) board.add(each, nowMs)
        const waiting = new Map(jobs.map((each) => [each.jobId, each]))
        while (waiting.size > 0) {
          const [given] = board.dispatch(nowMs)
          const chosen = waiting.get(given?.jobId ?? '')
          if (chosen === undefined) throw new Error('nothing was given out')
          waiting.delete(chosen.jobId)
          for (const left of waiting.values()) expect(chosen.queuedAtMs - left.queuedAtMs).toBeLessThanOrEqual(OVERTAKE_MS_MAX)
          board.finish(chosen.jobId, nowMs)
        }
      }),
    )
  })

  test('who queues a thousand jobs lets somebody with a few go first, though they ask later', () => {
    const board = boardWith(node('a', 64))
    for (let index = 0; index < 1_000; index++) board.add(job(`many ${String(index).padStart(4, '0')}`, { asker: 'greedy' }), NOW_MS)
    const laterMs = NOW_MS + MINUTE_MS
    board.add(job('few', { asker: 'modest', queuedAtMs: laterMs }), laterMs)
    let before = 0
    while (!board.dispatch(laterMs, 1).some(({ jobId }) => jobId === 'few')) {
      board.finish(`many ${String(before).padStart(4, '0')}`, laterMs)
      before++
    }
    expect(before).toBeGreaterThan(BASELINE_CREDITS)
    expect(before).toBeLessThan(BASELINE_CREDITS + 90)
  })
})

const film = (changes: Partial<Job> = {}): Job => job('film', { inputBytes: 1e12, near: ['busy'], ...changes })

/** Which of two jobs the node takes that has the input of the one queued so much later. */
function givenToBusy(laterMs: number): string | undefined {
  const board = boardWith(node('busy'))
  board.add(job('anywhere'), NOW_MS)
  board.add(film({ queuedAtMs: NOW_MS + laterMs }), NOW_MS + laterMs)
  return board.dispatch(NOW_MS + laterMs)[0]?.jobId
}

describe('locality', () => {
  test('a job waits half a minute for the node that has its input, then goes to any', () => {
    const board = boardWith(node('busy'), node('idle'))
    board.add(job('first', { near: ['busy'] }), NOW_MS)
    board.add(film(), NOW_MS)
    expect(board.dispatch(NOW_MS)).toEqual([{ jobId: 'film', nodeId: 'busy', isNear: true }])
    expect(board.dispatch(NOW_MS + 999)).toEqual([])
    expect(board.dispatch(NOW_MS + 1_000)).toEqual([{ jobId: 'first', nodeId: 'idle', isNear: false }])
  })

  test('a large input is waited for as long as copying it takes, at most half a minute', () => {
    const board = boardWith(node('busy'), node('idle'))
    board.add(job('blocking'), NOW_MS)
    expect(board.dispatch(NOW_MS)[0]?.nodeId).toBe('busy')
    board.add(film(), NOW_MS)
    expect(board.dispatch(NOW_MS + NEAR_WAIT_MS_MAX - 1)).toEqual([])
    expect(board.dispatch(NOW_MS + NEAR_WAIT_MS_MAX)).toEqual([{ jobId: 'film', nodeId: 'idle', isNear: false }])
  })

  test('a node takes what it has the input of before what was queued up to a minute earlier', () => {
    expect(givenToBusy(NEAR_ADVANCE_MS - 1)).toBe('film')
    expect(givenToBusy(NEAR_ADVANCE_MS + 1)).toBe('anywhere')
  })

  test('what only one node can do waits for it', () => {
    const board = boardWith(node('a'))
    board.add(job('folder', { onlyOn: 'macbook', pool: 'light' }), NOW_MS)
    expect(board.dispatch(NOW_MS + 1e9)).toEqual([])
    board.setNode(node('macbook'), NOW_MS + 1e9)
    expect(board.dispatch(NOW_MS + 1e9)).toEqual([{ jobId: 'folder', nodeId: 'macbook', isNear: true }])
  })
})

describe('events', () => {
  test('the same message twice changes nothing', () => {
    const board = boardWith(node('a'))
    expect(board.add(job('one'), NOW_MS)).toBe(true)
    expect(board.add(job('one'), NOW_MS)).toBe(false)
    expect(board.dispatch(NOW_MS)).toHaveLength(1)
    board.finish('one', NOW_MS)
    board.finish('one', NOW_MS)
    board.cancel('one', NOW_MS)
    board.giveBack('one')
    expect([board.waitingJobs, board.runningJobs]).toEqual([0, 0])
    expect(creditsAt(board.ledger.get('a'), NOW_MS)).toBe(BASELINE_CREDITS + 1)
    expect(creditsAt(board.ledger.get('pi5-desktop'), NOW_MS)).toBe(BASELINE_CREDITS - 1)
  })

  test('a job that is not wanted any more is paid back', () => {
    const board = boardWith(node('a'))
    board.add(job('one', { credits: 50 }), NOW_MS)
    board.cancel('one', NOW_MS)
    expect(creditsAt(board.ledger.get('pi5-desktop'), NOW_MS)).toBe(BASELINE_CREDITS)
  })

  test('the work of a node that is gone waits again, with the turn it had', () => {
    const board = boardWith(node('a'))
    board.add(job('old'), NOW_MS)
    board.dispatch(NOW_MS)
    board.add(job('new', { queuedAtMs: NOW_MS + 1 }), NOW_MS + 1)
    board.removeNode('a')
    board.setNode(node('b'), NOW_MS + 2)
    expect(board.dispatch(NOW_MS + 2)).toEqual([{ jobId: 'old', nodeId: 'b', isNear: false }])
  })

  test('a new leader notes what runs already: it takes room and is not given out again', () => {
    const running = { job: job('running'), runningOn: 'a' }
    expect(assign([running, { job: job('next'), runningOn: null }], [node('a')], new Map(), NOW_MS)).toEqual([])
    expect(assign([running, { job: job('next'), runningOn: null }], [node('a', 2)], new Map(), NOW_MS)).toHaveLength(1)
  })

  test('a job from the future counts as new, and a clock that is set back holds nothing up', () => {
    const board = boardWith(node('a', 2))
    board.add(job('future', { queuedAtMs: NOW_MS * 2 }), NOW_MS)
    expect(board.dispatch(NOW_MS)).toHaveLength(1)
    board.add(film({ near: ['away'] }), NOW_MS)
    expect(board.dispatch(NOW_MS - 365 * 86_400_000)).toHaveLength(1)
  })

  test('quiet hours begin while jobs wait', () => {
    const dayMs = Math.floor(NOW_MS / 86_400_000) * 86_400_000
    const evening = { ...node('a', 4), quotas: { ...node('a', 4).quotas, quietHours: { from: '22:00', to: '06:00' } } }
    const board = new Board()
    board.setNode(evening, dayMs + 21 * 60 * MINUTE_MS)
    for (let index = 0; index < 5; index++) board.add(job(`j${index}`, { queuedAtMs: dayMs }), dayMs)
    expect(board.dispatch(dayMs + 21 * 60 * MINUTE_MS)).toHaveLength(2)
    expect(board.dispatch(dayMs + 22 * 60 * MINUTE_MS - 1)).toHaveLength(0)
    expect(board.dispatch(dayMs + 22 * 60 * MINUTE_MS)).toHaveLength(2)
  })
})

describe('bad input', () => {
  test.each<[keyof Job, Record<string, unknown>]>([
    ['jobId', { jobId: '' }],
    ['jobId', { jobId: 'x'.repeat(201) }],
    ['pool', { pool: 'gpu' }],
    ['priority', { priority: 'urgent' }],
    ['asker', { asker: 'Not A Node' }],
    ['queuedAtMs', { queuedAtMs: NaN }],
    ['queuedAtMs', { queuedAtMs: -1 }],
    ['credits', { credits: -1 }],
    ['credits', { credits: Infinity }],
    ['inputBytes', { inputBytes: NaN }],
    ['near', { near: ['../etc'] }],
    ['onlyOn', { onlyOn: '' }],
  ])('%s %j is refused by name', (field, changes) => {
    expect(() => new Board().add({ ...job('j'), ...changes }, NOW_MS)).toThrow(new RegExp(`not queued: ${field} must be`))
  })

  test('two machines with one id: one of them gets work, the same whatever came first, and the owner is told', () => {
    const [small, large] = [node('twin', 1), node('twin', 4)]
    const { nodes, warnings } = distinctNodes([small, large])
    expect(distinctNodes([large, small])).toEqual({ nodes, warnings })
    expect(nodes).toHaveLength(1)
    expect(warnings[0]?.sentence).toMatch(/^Two machines call themselves twin/)
  })

  test('no nodes, no jobs', () => {
    expect(assign([], [], new Map(), NOW_MS)).toEqual([])
    expect(assign([{ job: job('j'), runningOn: null }], [], new Map(), NOW_MS)).toEqual([])
    expect(assign([], [node('a')], new Map(), NOW_MS)).toEqual([])
  })
})

test('kinds of jobs and their pools', () => {
  expect(['derive', 'transcode', 'intel.l2', 'transcribe', 'motion', 'index', 'backup', 'intelligence'].map(poolOf)).toEqual([
    'derive',
    'transcode',
    'intel',
    'intel',
    'intel',
    'light',
    'light',
    'light',
  ])
})
