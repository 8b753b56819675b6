import { isUtf8 } from 'node:buffer'
import { lstatSync } from 'node:fs'
import type { OpBody, RelativePath } from '@thatdam/protocol/ops'
import { joinPath, type FileIdentity, type Locations, type PendingFile } from '@thatdam/store/locations'
import type { Outbox } from '@thatdam/store/outbox'
import type { HashWorker } from './hash-worker.ts'
import type { Prober } from './probe.ts'
import { identityOf } from './walk.ts'

/** A file that was written to this recently is still being copied or recorded. */
const QUIET_MS = 5_000

/** `later`: still being written, to be looked at again. */
export type IngestResult = 'done' | 'later'

export interface IngestParts {
  readonly nodeId: string
  readonly locations: Locations
  readonly outbox: Outbox
  readonly hasher: HashWorker
  readonly prober: Prober
  readonly signal: AbortSignal
}

/** Path below a root as it travels: text where it is UTF-8, else its bytes. */
export function relativePath(path: Buffer): RelativePath {
  return isUtf8(path) ? { encoding: 'utf8', value: path.toString('utf8') } : { encoding: 'base64', value: path.toString('base64') }
}

/**
 * Takes in one pending file: reads it once, tells what it is, and writes row and ops in one transaction, so that a kill at any moment
 * leaves it either pending or announced. `realRoot`: where its root lies.
 */
export async function ingest(parts: IngestParts, file: PendingFile, realRoot: string): Promise<IngestResult> {
  const absolute = joinPath(Buffer.from(realRoot), joinPath(file.folderPath, file.name))
  const now = look(parts, file, absolute)
  if (now === 'gone') return 'done'
  if (isBeingWritten(now.mtimeNs)) {
    if (now.size !== file.size || now.mtimeNs !== file.mtimeNs) {
      parts.locations.putFile(file.folder, { ...file, ...now, sha256: null, state: 'pending' })
    }
    return 'later'
  }
  const same = parts.locations.findSame(now)
  if (same?.sha256 && parts.locations.asset(same.sha256) !== null) {
    // Renamed, moved or linked: known bytes at a new place, nothing is read.
    const { sha256, state, reason } = same
    announce(parts, file, { identity: now, sha256, state, reason }, null)
    return 'done'
  }
  const hashed = await parts.hasher.hash(absolute)
  if (parts.signal.aborted) return 'later'
  if (!hashed.ok) return failed(parts, file, now, hashed.code)
  const read = { identity: asWalked(file, hashed.identity), sha256: hashed.sha256 }
  const known = parts.locations.asset(hashed.sha256)
  if (known) {
    announce(parts, file, { ...read, state: known.problem === null ? 'done' : 'error', reason: known.problem }, null)
    return 'done'
  }
  const probed = await parts.prober.probe(absolute, file.name, hashed.head)
  if (!probed) {
    parts.locations.putFile(file.folder, { name: file.name, ...read.identity, sha256: null, state: 'skipped', reason: null })
    return 'done'
  }
  const state = probed.problem === null ? 'done' : 'error'
  announce(
    parts,
    file,
    { ...read, state, reason: probed.problem },
    {
      kind: 'asset.ingested',
      assetId: hashed.sha256,
      sizeBytes: Number(hashed.identity.size),
      assetKind: probed.kind,
      title: file.name.toString('utf8').slice(0, 1024).toWellFormed(),
      origin: 'indexed',
      media: probed.media,
      capture: null,
    },
  )
  return 'done'
}

function look(parts: IngestParts, file: PendingFile, absolute: Buffer): FileIdentity | 'gone' {
  try {
    return asWalked(file, identityOf(lstatSync(absolute, { bigint: true })))
  } catch (error) {
    // Missing: the next walk finds out whether it is gone or its disk is away.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') failed(parts, file, file, (error as NodeJS.ErrnoException).code ?? 'EIO')
    else parts.locations.setMissing(file.folder, file.name, -1)
    return 'gone'
  }
}

/** Where the walk found that inodes do not outlive a mount, none is kept: a later file may get the number of an earlier one. */
function asWalked(file: PendingFile, identity: FileIdentity): FileIdentity {
  return file.inode === 0n ? { ...identity, inode: 0n } : identity
}

/** A date in the future (a wrong clock) proves nothing: the hash's own check of size and date has to do. */
function isBeingWritten(mtimeNs: bigint): boolean {
  const ageMs = Date.now() - Number(mtimeNs / 1_000_000n)
  return ageMs >= -QUIET_MS && ageMs < QUIET_MS
}

function failed(parts: IngestParts, file: PendingFile, identity: FileIdentity, code: string): IngestResult {
  if (code === 'changed') return 'later'
  if (code === 'ENOENT') {
    parts.locations.setMissing(file.folder, file.name, -1)
    return 'done'
  }
  const reason =
    code === 'EACCES' || code === 'EPERM'
      ? 'This file cannot be read: give this user the right to read it, then try again.'
      : `This file cannot be read (${code}): check its disk, then try again.`
  const { size, mtimeNs, inode, device } = identity
  parts.locations.putFile(file.folder, { name: file.name, size, mtimeNs, inode, device, sha256: null, state: 'error', reason })
  return 'done'
}

interface Read {
  readonly identity: FileIdentity
  readonly sha256: string
  readonly state: 'pending' | 'done' | 'error' | 'skipped'
  readonly reason: string | null
}

function announce(parts: IngestParts, file: PendingFile, read: Read, asset: Extract<OpBody, { kind: 'asset.ingested' }> | null): void {
  const { locations, outbox } = parts
  locations.transaction(() => {
    // Two files with the same bytes may be read at once: the first one announces the asset.
    if (asset && locations.asset(read.sha256) === null) {
      locations.rememberAsset(read.sha256, asset.media.mimeType, read.reason)
      outbox.add(asset)
    }
    locations.putFile(file.folder, { name: file.name, ...read.identity, sha256: read.sha256, state: read.state, reason: read.reason })
    outbox.add(locationSeen(parts.nodeId, file.root, joinPath(file.folderPath, file.name), read.sha256, read.identity))
  })
}

export function locationSeen(nodeId: string, root: string, path: Buffer, sha256: string, identity: FileIdentity): OpBody {
  return {
    kind: 'location.seen',
    assetId: sha256,
    nodeId,
    root,
    path: relativePath(path),
    sizeBytes: Number(identity.size),
    modifiedAtMs: Number(identity.mtimeNs / 1_000_000n),
  }
}
