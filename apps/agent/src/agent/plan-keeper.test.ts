import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Term } from '@thatdam/protocol/plan'
import { machine } from '@thatdam/testkit/profiles/machine'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { RosterStore } from '../ring/roster-store.ts'
import { foundRing, identities, quietLog } from '../ring/testing/ring.ts'
import type { Identity } from '../state/identity.ts'
import { statePaths } from '../state/paths.ts'
import { PlanKeeper, type PlanKeeperOptions } from './plan-keeper.ts'

const [LEADER, OTHER] = identities(['pi5-desktop', 'pi5-server']) as [Identity, Identity]

let directory = ''
let orders: (Term | null)[] = []
let isAccepted = true
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'thatdam-plan-keeper-'))
  orders = []
  isAccepted = true
})
afterEach(() => {
  rmSync(directory, { recursive: true, force: true })
})

/** Of the ring of two. `orders`: what its leadership says each time it is asked, the last one for ever. */
function keeperOf(identity: Identity): PlanKeeper {
  const leadership = { order: () => (orders.length > 1 ? orders.shift() : orders[0]) ?? null, accept: () => isAccepted }
  const store = new RosterStore(join(directory, 'roster.jsonl'), foundRing([LEADER, OTHER]))
  return new PlanKeeper({
    identity,
    paths: statePaths(directory),
    host: { store, part: { leadership, rank: () => {}, leader: () => null } },
    nodes: () => [machine('pi5-desktop'), machine('pi5-server')],
    policy: () => ({ pinnedLeader: null }),
    log: quietLog,
  } as unknown as PlanKeeperOptions)
}

const term = (number: number): Term => ({ number, nodeId: 'pi5-desktop' })

test('a leader that stood still while its plan was written runs it when it leads again, though the plan is the same', async () => {
  const keeper = keeperOf(LEADER)
  orders = [term(1), term(1), null]
  expect(await keeper.next()).toBeNull()
  orders = [term(2)]
  const plan = await keeper.next()
  expect(plan?.body.role).toBe('leader')
  expect(await keeper.next()).toBeNull()
})

test('a plan of a leader that was past when the disk had it is not run; the next leader’s is, though it is the same', async () => {
  const leader = keeperOf(LEADER)
  orders = [term(1)]
  await leader.next()
  const plan = leader.book.of('pi5-server')
  if (plan === null) throw new Error('no plan for it')
  const keeper = keeperOf(OTHER)
  isAccepted = false
  expect(await keeper.take(plan)).toBeNull()
  isAccepted = true
  expect((await keeper.take(plan))?.hash).toBe(plan.envelope.bodyHash)
  expect(await keeper.take(plan)).toBeNull()
})
