import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeGenesis } from '@thatdam/control/genesis'
import { generateKey, type KeyPair } from '@thatdam/control/keys'
import { recordHash } from '@thatdam/control/roster'
import type { RosterRecord } from '@thatdam/protocol/roster'
import type { RingMachine } from './machine.ts'

interface Member {
  readonly machine: RingMachine
  readonly key: KeyPair
}

/**
 * Makes one ring of machines that were never started: the first one founds it and lets all others in, as it would have by tokens. For what
 * is not about joining. `admitters`: how many of them, from the first on, may let others in.
 */
export function foundRing(machines: readonly RingMachine[], clusterId: string, admitters = 1): void {
  const members = machines.map((machine): Member => ({ machine, key: generateKey() }))
  const [founder, ...others] = members
  if (founder === undefined) throw new RangeError('a ring has a founder')
  const genesis = makeGenesis(founder.key, {
    clusterId,
    nodeId: founder.machine.name,
    bootCounter: 0,
    createdAtMs: Date.now(),
    nonce: randomBytes(16).toString('base64url'),
  })
  const admissions = others.map((other, index): RosterRecord => {
    const body = {
      kind: 'admission',
      version: 1,
      clusterId,
      nodeId: other.machine.name,
      publicKey: other.key.publicKey,
      bootCounter: 0,
      admitter: index + 1 < admitters,
      previous: recordHash(genesis.body),
    } as const
    return { body, signer: founder.key.publicKey, signature: founder.key.sign('thatdam-roster-v1', body) }
  })
  const roster = [genesis, ...admissions].map((record) => `${JSON.stringify(record)}\n`).join('')
  for (const member of members) {
    writeFileSync(join(member.machine.stateDir, 'roster.jsonl'), roster, { mode: 0o600 })
    writeFileSync(join(member.machine.stateDir, 'identity.json'), identityOf(member), { mode: 0o600 })
  }
}

/** As the agent writes it (apps/agent/src/state/identity.ts). */
function identityOf({ machine, key }: Member): string {
  return JSON.stringify({ version: 1, nodeId: machine.name, publicKey: key.publicKey, seed: key.seed, createdAtMs: Date.now() })
}
