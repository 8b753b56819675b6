import { rekey, useKey } from '@thatdam/control/roster-edit'
import { ThatdamError } from '@thatdam/protocol/errors'
import { REKEYS_MAX, type RosterRecord } from '@thatdam/protocol/roster'
import { RosterStore } from '../ring/roster-store.ts'
import { changeIdentity, type Identity } from './identity.ts'
import type { StatePaths } from './paths.ts'
import { readRing } from './ring.ts'

/*
 * The replacement of this machine's key (THREATS 7). Each step is on the disk before the next one, and a start takes those that are left:
 *
 *   next key written ──▶ record signed by the old key ──▶ key switched ──▶ first use signed by the new key
 *   identity.json        roster.jsonl                     identity.json    roster.jsonl
 *   └───────────── the old key is good ─────────────────┘                  └ the old key is a stranger's
 *
 * Nobody has to be in reach: who knows only the old key is shown the records at the first contact (ring/introduction.ts, cloud/cloud.ts). What the
 * old key signed counts as far as the first use has seen it. So a machine that has others takes that step when one of them holds the same records
 * (ring/ring-part.ts): its disk may be older than what it had signed.
 */

type ReplacementPaths = Pick<StatePaths, 'identity' | 'roster'>

/**
 * Takes the steps that are left, and need nobody else. Call it while holding the state directory's lock, before anything uses the key.
 * @param say sentences for the log.
 */
export async function settleKey(
  paths: ReplacementPaths,
  identity: Identity,
  say: (sentence: string) => void = () => {},
): Promise<Identity> {
  if (identity.next === null && identity.former.length === 0) return identity
  const ring = await readRing(paths.roster)
  if (ring === null || (identity.next === null && isUsed(ring.later, identity))) return identity
  const store = new RosterStore(paths.roster, ring)
  const settled = await switchKey(paths, identity, { store, say })
  if (store.roster.members.size === 1) await useNewKey(store, settled)
  return settled
}

/** The last step. Twice is harmless. @returns whether there was anything to do. */
export async function useNewKey(store: RosterStore, identity: Identity): Promise<boolean> {
  const made = await store.edit(identity.key, ({ records, roster, signer }) => {
    const isOpen = isIntroduced(records, identity) && !isUsed(records, identity) && roster.byKey.has(signer.publicKey)
    return isOpen ? useKey({ records, roster, signer }) : null
  })
  return made !== null
}

/**
 * The record that gives this machine its next key, signed by the one that it has; on the disk when it resolves. Twice is harmless.
 * @throws ThatdamError when the ring does not know this machine by its key any more.
 */
export async function introduce(store: RosterStore, identity: Identity, newKey: string): Promise<RosterRecord> {
  const known = (records: readonly RosterRecord[]): RosterRecord | undefined =>
    records.find(({ body, signer }) => body.kind === 'rekey' && body.newKey === newKey && signer === identity.key.publicKey)
  const made = await store.edit(identity.key, (desk) => (known(desk.records) === undefined ? rekey(desk, identity.nodeId, newKey) : null))
  const record = made ?? known(store.later())
  if (record !== undefined && store.memberByKey(newKey)?.nodeId === identity.nodeId) return record
  throw new ThatdamError('CONFLICT', 'This machine’s ring does not know it by its key any more.')
}

async function switchKey(
  paths: ReplacementPaths,
  identity: Identity,
  { store, say }: { readonly store: RosterStore; readonly say: (sentence: string) => void },
): Promise<Identity> {
  const { nodeId, key, next } = identity
  if (next === null) return identity
  const record = await introduce(store, identity, next.publicKey).catch((error: unknown) => {
    if (!(error instanceof ThatdamError)) throw error
    say(`The key of this machine was not replaced. ${error.message}`)
    return null
  })
  const settled =
    record === null
      ? { ...identity, next: null }
      : { nodeId, key: next, former: [...identity.former, { key, record }].slice(-REKEYS_MAX), next: null }
  await changeIdentity(paths.identity, settled)
  if (record !== null) say('This machine has a new key.')
  return settled
}

const isIntroduced = (records: readonly RosterRecord[], { key }: Identity): boolean =>
  records.some(({ body }) => body.kind === 'rekey' && body.newKey === key.publicKey)

const isUsed = (records: readonly RosterRecord[], { key }: Identity): boolean =>
  records.some(({ body, signer }) => body.kind === 'key-use' && signer === key.publicKey)
