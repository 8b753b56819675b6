import { randomBytes, randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { makeGenesis } from '@thatdam/control/genesis'
import { verifySignature } from '@thatdam/control/keys'
import { recordHash, verifyGenesis } from '@thatdam/control/roster'
import { ThatdamError } from '@thatdam/protocol/errors'
import { GenesisRecord } from '@thatdam/protocol/roster'
import { writeFileDurable } from '@thatdam/store/durable'
import type { Identity } from './identity.ts'

export interface Ring {
  readonly genesis: GenesisRecord
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
  const genesis = GenesisRecord.safeParse(parse(text.split('\n')[0] ?? ''))
  if (!genesis.success || !verifyGenesis(genesis.data, verifySignature)) {
    throw new ThatdamError(
      'INTERNAL',
      `The ring’s roster in ${path} is damaged: its first record is not the signed founding record. Restore the file from a backup. Or move it away and register again: this machine then founds a new ring. Nothing was changed.`,
    )
  }
  return { genesis: genesis.data, clusterId: genesis.data.body.clusterId, fingerprint: recordHash(genesis.data.body) }
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
  const genesis = makeGenesis(identity.key, {
    clusterId: randomUUID(),
    nodeId: identity.nodeId,
    bootCounter,
    createdAtMs: Date.now(),
    nonce: randomBytes(16).toString('base64url'),
  })
  await writeFileDurable(path, `${JSON.stringify(genesis)}\n`)
  return { genesis, clusterId: genesis.body.clusterId, fingerprint: recordHash(genesis.body) }
}
