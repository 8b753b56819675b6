import { AppendOpsResponse, OpFeed } from '@thatdam/protocol/local'
import type { RingMachine } from '@thatdam/testkit/ring/machine'
import type { Patience } from '../contract.ts'
import { must } from './rings.ts'

export interface Edit {
  readonly opId: string
  readonly by: string
  /** Acknowledged as fsynced on a second machine. */
  readonly isSaved: boolean
}

const PAGE = 2_000

/** Those of these machines that may sign what the owner decides. */
export async function editorsOf(machines: readonly RingMachine[]): Promise<readonly RingMachine[]> {
  const states = await Promise.all(machines.map((machine) => machine.state()))
  return machines.filter((machine, place) => states[place]?.members.find(({ self }) => self)?.admitter === true)
}

/** A leader gives its standbys the right to edit only when the ring has come to rest. */
export async function untilEditors(context: Patience, machines: readonly RingMachine[], count: number): Promise<void> {
  await must(context, `${count} machines may edit`, async () => (await editorsOf(machines)).length >= count)
}

/** Names a machine anew, at that machine, which has to be one that may edit. @throws Error when its agent refuses or does not answer. */
export async function rename(machine: RingMachine, name: string): Promise<Edit> {
  const body = { kind: 'node.set', subject: machine.name, field: 'name', value: name, replaces: null }
  const { ops, durability } = AppendOpsResponse.parse(await machine.local('POST', '/local/ops', { ops: [{ body }] }))
  const [op] = ops
  if (op === undefined) throw new Error(`${machine.name} took an edit and told no op`)
  return { opId: op.id, by: machine.name, isSaved: durability === 'saved' }
}

/** Ids of every op that this machine's feed holds. */
export async function opsOf(machine: RingMachine): Promise<ReadonlySet<string>> {
  const ids = new Set<string>()
  for (let after = 0; ;) {
    const feed = OpFeed.parse(await machine.local('GET', `/local/ops?after=${after}&limit=${PAGE}`))
    for (const entry of feed.entries) ids.add(entry.op.id)
    if (feed.entries.length === 0 || feed.position <= after) return ids
    after = feed.position
  }
}

/** Those that are not in the feed of this machine. */
export async function missingOn(machine: RingMachine, edits: readonly Edit[]): Promise<readonly Edit[]> {
  const ops = await opsOf(machine)
  return edits.filter((edit) => !ops.has(edit.opId))
}
