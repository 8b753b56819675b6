import { createHash } from 'node:crypto'
import { hostname } from 'node:os'
import * as z from 'zod/mini'
import { generateKey, keyFromSeed, type KeyPair } from '@thatdam/control/keys'
import { NodeId, PublicKey, UnixMs } from '@thatdam/protocol/ids'
import { ThatdamError } from '@thatdam/protocol/errors'
import { readJson, writeFileDurable } from '@thatdam/store/durable'

const IdentityFile = z.object({ version: z.literal(1), nodeId: NodeId, publicKey: PublicKey, seed: PublicKey, createdAtMs: UnixMs })

export interface Identity {
  readonly nodeId: string
  readonly key: KeyPair
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
  const key = keyFromSeed(file.seed)
  if (key.publicKey !== file.publicKey) throw damaged('its two halves of the key do not belong together')
  return { nodeId: file.nodeId, key }
}

/** Reads the identity, or makes it: call it while holding the state directory's lock. */
export async function openIdentity(path: string, wanted: { readonly nodeId: string | null }): Promise<Identity> {
  const known = await readIdentity(path)
  if (known) return known
  const key = generateKey()
  const nodeId = wanted.nodeId ?? makeNodeId(hostname(), key.publicKey)
  const file: z.infer<typeof IdentityFile> = { version: 1, nodeId, publicKey: key.publicKey, seed: key.seed, createdAtMs: Date.now() }
  await writeFileDurable(path, `${JSON.stringify(file, null, 2)}\n`, { mode: 0o600 })
  return { nodeId, key }
}
