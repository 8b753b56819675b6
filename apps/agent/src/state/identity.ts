import { createHash } from 'node:crypto'
import { hostname } from 'node:os'
import * as z from 'zod/mini'
import { generateKey, keyFromSeed, type KeyPair } from '@thatdam/control/keys'
import { NodeId, PublicKey, UnixMs } from '@thatdam/protocol/ids'
import { ThatdamError } from '@thatdam/protocol/errors'
import { RosterRecord } from '@thatdam/protocol/roster'
import { readJson, writeFileDurable } from '@thatdam/store/durable'

const KeyHalves = { publicKey: PublicKey, seed: PublicKey }
const IdentityFile = z.object({
  version: z.literal(1),
  nodeId: NodeId,
  ...KeyHalves,
  createdAtMs: UnixMs,
  /** A new key that is to take the place of the other: on disk before anybody hears of it. */
  next: z.optional(z.object(KeyHalves)),
  /** Keys before, the newest last, each with the record by which it introduced the one after it. */
  former: z.optional(z.array(z.object({ ...KeyHalves, record: RosterRecord }))),
})
type IdentityFile = z.infer<typeof IdentityFile>

/** They open what was sealed to them, and prove to whoever knows this machine by one of them that the next key is its own. */
export interface FormerKey {
  readonly key: KeyPair
  readonly record: RosterRecord
}

export interface Identity {
  readonly nodeId: string
  readonly key: KeyPair
  /** At most REKEYS_MAX, the newest last. */
  readonly former: readonly FormerKey[]
  readonly next: KeyPair | null
}

/** `<hostname>-<6 hex of the key's hash>`: a host name that says nothing becomes "machine". */
export function makeNodeId(host: string, publicKey: string): string {
  const plain = host
    .toLowerCase()
    .replace(/\..*$/, '')
    .normalize('NFKD')
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
    .slice(0, 48)
    .replace(/-+$/, '')
  const hash = createHash('sha256').update(Buffer.from(publicKey, 'base64url')).digest('hex')
  return `${plain === '' ? 'machine' : plain}-${hash.slice(0, 6)}`
}

/** Null: this state directory has no identity yet. @throws ThatdamError when the file is damaged; nothing is overwritten. */
export async function readIdentity(path: string): Promise<Identity | null> {
  const damaged = (what: string, cause?: unknown) =>
    new ThatdamError(
      'INTERNAL',
      `This machine’s identity in ${path} is damaged (${what}). Restore the file from a backup. Or move it away and register the machine again: it then counts as a new one. Nothing was changed.`,
      { cause },
    )
  let file
  try {
    file = await readJson(path, IdentityFile)
  } catch (error) {
    throw damaged(error instanceof Error ? error.message.replace(/^.*damaged \(/, '').replace(/\)\..*$/, '') : String(error), error)
  }
  if (file === null) return null
  const keyOf = (halves: { readonly publicKey: string; readonly seed: string }): KeyPair => {
    const key = keyFromSeed(halves.seed)
    if (key.publicKey !== halves.publicKey) throw damaged('its two halves of the key do not belong together')
    return key
  }
  const former = (file.former ?? []).map(({ record, ...halves }) => ({ key: keyOf(halves), record }))
  return { nodeId: file.nodeId, key: keyOf(file), former, next: file.next === undefined ? null : keyOf(file.next) }
}

/** Puts another content in place of what is there. */
export async function changeIdentity(path: string, { nodeId, key, former, next }: Identity): Promise<void> {
  const known = await readJson(path, IdentityFile)
  await write(path, {
    version: 1,
    nodeId,
    ...halves(key),
    createdAtMs: known?.createdAtMs ?? Date.now(),
    ...(next === null ? {} : { next: halves(next) }),
    ...(former.length === 0 ? {} : { former: former.map((one) => ({ ...halves(one.key), record: one.record })) }),
  })
}

const halves = ({ publicKey, seed }: KeyPair): { publicKey: string; seed: string } => ({ publicKey, seed })

const write = (path: string, file: IdentityFile): Promise<void> =>
  writeFileDurable(path, `${JSON.stringify(file, null, 2)}\n`, { mode: 0o600 })

/** Reads the identity, or makes it: call it while holding the state directory's lock. */
export async function openIdentity(path: string, wanted: { readonly nodeId: string | null }): Promise<Identity> {
  const known = await readIdentity(path)
  if (known) return known
  const key = generateKey()
  const nodeId = wanted.nodeId ?? makeNodeId(hostname(), key.publicKey)
  const identity: Identity = { nodeId, key, former: [], next: null }
  await changeIdentity(path, identity)
  return identity
}
