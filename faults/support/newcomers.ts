import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { GenesisRecord, RosterRecord } from '@thatdam/protocol/roster'
import { PROFILE_NAMES } from '@thatdam/testkit/profiles/load'
import type { RingMachine } from '@thatdam/testkit/ring/machine'
import type { TestRing } from '@thatdam/testkit/ring/ring'
import type { Context } from '../contract.ts'
import { register } from './cloud.ts'
import { type Control, type NewOwner, withControl } from './control.ts'
import { withRing } from './rings.ts'

const UNUSED = 'unused'

export interface Newcomers {
  readonly ring: TestRing
  readonly control: Control
}

/** The five reference machines as they come out of their boxes, and beside them the cloud, in a host of its own. */
export async function withNewcomers(context: Context, use: (newcomers: Newcomers) => Promise<void>): Promise<void> {
  await withRing(context, { profiles: PROFILE_NAMES, joined: false, spareHosts: 1 }, async (ring) => {
    for (const machine of ring.machines) machine.saveState(UNUSED)
    const beside = ring.hosts.host(ring.machines.length)
    await withControl(context, (control) => use({ ring, control }), beside)
  })
}

/** Empties their disks and gives them another owner, who has no ring yet. */
export async function unbox({ ring, control }: Newcomers): Promise<NewOwner> {
  for (const machine of ring.machines) {
    await machine.powerCut()
    machine.rollBack(UNUSED)
  }
  return await control.newOwner(ring.machines.length)
}

export interface Installed {
  readonly machine: RingMachine
  /** It was told that it founds the ring; the others wait for whoever does. */
  readonly founds: boolean
}

/** The one command of “Add machine”: it registers with its token, then runs. */
export async function install(machine: RingMachine, at: { url: string; token: string }): Promise<Installed> {
  await register(machine, at)
  const founds = !existsSync(join(machine.stateDir, 'pending-ring.json'))
  machine.start()
  return { machine, founds }
}

/** All records of the ring that it is in, the genesis record first. */
export function recordsOf(machine: RingMachine): readonly RosterRecord[] {
  const lines = readFileSync(join(machine.stateDir, 'roster.jsonl'), 'utf8').split('\n')
  return lines.flatMap((line) => (line === '' ? [] : [RosterRecord.parse(JSON.parse(line))]))
}

export function genesisOf(machine: RingMachine): GenesisRecord {
  return GenesisRecord.parse(recordsOf(machine)[0])
}
