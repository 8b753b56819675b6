import { randomBytes, randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { makeGenesis } from '@thatdam/control/genesis'
import { verifySignature } from '@thatdam/control/keys'
import { recordHash, verifyGenesis } from '@thatdam/control/roster'
import { ThatdamError } from '@thatdam/protocol/errors'
import { GenesisRecord, RosterRecord } from '@thatdam/protocol/roster'
import { writeFileDurable } from '@thatdam/store/durable'
import type { Identity } from './identity.ts'

export interface Ring {
  readonly genesis: GenesisRecord
  /** Every record but the genesis; their fold says who belongs to the ring. */
  readonly later: readonly RosterRecord[]
  readonly clusterId: string
  /** Hash of the genesis record. */
  readonly fingerprint: string
}

/** `roster.jsonl`: one signed record a line, the genesis record first. */
export async function readRing(path: string): Promise<Ring | null> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
  const [first = '', ...rest] = text.split('\n').filter((line) => line !== '')
  const genesis = GenesisRecord.safeParse(parse(first))
  const records = rest.map((line) => RosterRecord.safeParse(parse(line)))
  if (!genesis.success || !verifyGenesis(genesis.data, verifySignature) || records.some((record) => !record.success)) {
    throw new ThatdamError(
      'INTERNAL',
      `The ring’s roster in ${path} is damaged: it does not begin with the signed founding record, or a later line is no record. Restore the file from a backup. Or move it away and register again: this machine then founds a new ring. Nothing was changed.`,
    )
  }
  return ringOf(
    genesis.data,
    records.flatMap((record) => (record.success ? [record.data] : [])),
  )
}

function ringOf(genesis: GenesisRecord, later: readonly RosterRecord[]): Ring {
  return { genesis, later, clusterId: genesis.body.clusterId, fingerprint: recordHash(genesis.body) }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

/** Reads the ring, or founds a ring of one: call it while holding the state directory's lock. */
export async function openRing(path: string, identity: Identity, bootCounter: number): Promise<Ring> {
  const known = await readRing(path)
  if (known) return known
  const ring = ringOf(foundRing(identity, bootCounter), [])
  await writeFileDurable(path, `${JSON.stringify(ring.genesis)}\n`)
  return ring
}

/** The genesis record of a ring of one. */
export function foundRing(identity: Identity, bootCounter: number): GenesisRecord {
  return makeGenesis(identity.key, {
    clusterId: randomUUID(),
    nodeId: identity.nodeId,
    bootCounter,
    createdAtMs: Date.now(),
    nonce: randomBytes(16).toString('base64url'),
  })
}
