import { lstatSync, statfsSync, type BigIntStats, type Dirent } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { joinPath, type FileIdentity, type KnownFile, type Locations } from '@thatdam/store/locations'
import { isIgnoredFile, isIgnoredFolder } from './ignore.ts'
import { extensionOf, typeByName } from './kinds.ts'

const SLASH = Buffer.from('/')
const EMPTY = Buffer.alloc(0)
/** The walk gives way to commands and status this often. */
const YIELD_EVERY_MS = 20
/** Folders that could not be read and keep what is known of them; more make the whole walk one that forgets nothing. */
const KEPT_MAX = 1000
const EMPTY_FILE = 'This file is empty (0 bytes): nothing to show. Remove it, or copy it again.'
const ONLY_ONLINE =
  'This file lies only in the cloud (OneDrive, iCloud or the like). Choose there to keep it on this device: it is then read.'
/** From here on no file system keeps the bytes of a file beside its name, where they take no blocks. */
const BLOCKLESS_MAX_BYTES = 65_536n
/** Types of statfs: FAT, exFAT, FUSE, CIFS, SMB2. They number their files anew at each mount. */
const NUMBERED_ANEW: readonly bigint[] = [0x4d44n, 0x2011bab0n, 0x65735546n, 0xff534d42n, 0xfe534d42n]

export interface WalkResult {
  /** Media files there are. */
  readonly filesSeen: number
  /** False: interrupted, or too much was unreadable. Nothing may be taken for gone then. */
  readonly complete: boolean
  /** True for what lies under a folder that could not be read, or whose disk is another one than before. */
  readonly isKept: (path: Buffer) => boolean
  /** Sentences about folders that could not be read; at most 20. */
  readonly problems: readonly string[]
  /** The root is empty or another disk, although files are known in it. */
  readonly rootIsAway: boolean
}

export interface WalkOptions {
  readonly locations: Locations
  readonly rootId: number
  /** Real path of the root. */
  readonly root: string
  /** Number of this walk: grows. */
  readonly scan: number
  /** Absolute real paths that are never walked into. */
  readonly excluded: readonly string[]
  readonly signal: AbortSignal
  /** Within the transaction: an asset's file has no bytes any more, or none here. */
  readonly onEmptied: (path: Buffer) => void
  /** Called for each folder that was read, with its absolute path. */
  readonly onFolder?: (absolute: Buffer) => void
  readonly platform?: NodeJS.Platform
  /** What statfs says of the file system of a folder; null where it says nothing of use. */
  readonly fileSystemType?: (absolute: Buffer) => bigint | null
}

/**
 * Compares one root with what is known of it, folder by folder, each in one transaction. Files that are new or changed become `pending`
 * rows; unchanged ones (size, modification time in ns, inode) are not touched. Where inodes do not outlive a mount they are 0 and prove
 * nothing: else a stick would be read anew each time it is put in. Symbolic links are not followed. Names are bytes.
 */
export async function walkRoot(options: WalkOptions): Promise<WalkResult> {
  const walk = new Walk(options)
  return walk.run()
}

class Walk {
  private readonly options: WalkOptions
  private readonly rootBytes: Buffer
  private readonly excluded: ReadonlySet<string>
  private readonly kept: Buffer[] = []
  private readonly problems: string[] = []
  /** By device: a root may hold mounts of other kinds. */
  private readonly lasting = new Map<string, boolean>()
  private filesSeen = 0
  private knownMatched = 0
  private complete = true
  private rootChanged = false
  private rootFolder: { readonly id: number; readonly device: string } | null = null

  constructor(options: WalkOptions) {
    this.options = options
    this.rootBytes = Buffer.from(options.root)
    this.excluded = new Set(options.excluded.map((path) => folderKey(Buffer.from(path))))
  }

  async run(): Promise<WalkResult> {
    const stack: Buffer[] = [EMPTY]
    const knownBefore = this.options.locations.countFiles(this.options.rootId)
    let yieldedAt = Date.now()
    for (let folder = stack.pop(); folder !== undefined; folder = stack.pop()) {
      if (this.options.signal.aborted) {
        this.complete = false
        break
      }
      const children = await this.folder(folder)
      for (const child of children) stack.push(child)
      if (Date.now() - yieldedAt > YIELD_EVERY_MS) {
        await new Promise((resolve) => setImmediate(resolve))
        yieldedAt = Date.now()
      }
    }
    const rootIsAway = this.rootChanged && knownBefore > 0 && this.knownMatched === 0
    if (this.rootFolder && !rootIsAway) this.options.locations.setFolder(this.rootFolder.id, this.rootFolder.device, this.options.scan)
    return {
      filesSeen: this.filesSeen,
      complete: this.complete && !this.rootChanged && this.kept.length < KEPT_MAX,
      isKept: (path) => this.kept.some((prefix) => isUnder(path, prefix)),
      problems: this.problems,
      rootIsAway,
    }
  }

  private absolute(relative: Uint8Array): Buffer {
    return relative.length === 0 ? this.rootBytes : joinPath(this.rootBytes, relative)
  }

  /** Reads one folder; returns the folders in it, relative to the root. */
  private async folder(relative: Buffer): Promise<Buffer[]> {
    const absolute = this.absolute(relative)
    let entries: Dirent<Buffer>[]
    let stats: BigIntStats
    try {
      stats = lstatSync(absolute, { bigint: true })
      entries = await readdir(absolute, { withFileTypes: true, encoding: 'buffer' })
    } catch (error) {
      this.unreadable(relative, error)
      return []
    }
    if (relative.length > 0 && entries.some((entry) => entry.name.toString('latin1') === '.thatdam')) return []
    this.options.onFolder?.(absolute)
    return this.options.locations.transaction(() => this.compare(relative, entries, String(stats.dev)))
  }

  private inodesLast(absolute: Buffer, device: string): boolean {
    let lasting = this.lasting.get(device)
    if (lasting === undefined) {
      const type = (this.options.fileSystemType ?? fileSystemType)(absolute)
      lasting = type === null || !NUMBERED_ANEW.includes(BigInt.asUintN(32, type))
      this.lasting.set(device, lasting)
    }
    return lasting
  }

  private unreadable(relative: Buffer, error: unknown): void {
    const code = (error as NodeJS.ErrnoException).code ?? 'EIO'
    if (relative.length === 0) this.complete = false
    if (code === 'ENOENT' || code === 'ENOTDIR') return // removed while we walked
    if (this.kept.length < KEPT_MAX) this.kept.push(relative)
    const reason = code === 'EACCES' || code === 'EPERM' ? 'give this user the right to read it' : `its disk says ${code}`
    if (this.problems.length < 20) this.problems.push(`The folder ${this.absolute(relative).toString('utf8')} cannot be read: ${reason}.`)
  }

  private compare(relative: Buffer, entries: readonly Dirent<Buffer>[], device: string): Buffer[] {
    const { locations, rootId, scan } = this.options
    const folder = locations.folder(rootId, relative)
    const known = new Map(locations.filesOf(folder.id).map((file) => [file.name.toString('latin1'), file]))
    const children: Buffer[] = []
    const inodesLast = this.inodesLast(this.absolute(relative), device)
    let matched = 0
    for (const entry of entries) {
      const key = entry.name.toString('latin1')
      const type = typeOf(entry, () => joinPath(this.absolute(relative), entry.name))
      if (type === 'folder' && this.isWalked(relative, entry.name)) children.push(joinPath(relative, entry.name))
      if (type !== 'file' || !isCandidate(entry.name)) continue
      const before = known.get(key)
      if (this.file({ id: folder.id, relative, inodesLast }, entry.name, before)) {
        known.delete(key)
        if (before) matched++
      }
    }
    this.knownMatched += matched
    this.judgeDevice(relative, folder, device, () => matched > 0 || children.some((child) => locations.hasFolder(rootId, child)))
    for (const file of known.values()) if (file.missing !== scan) locations.setMissing(folder.id, file.name, scan)
    return children
  }

  /**
   * A folder on another disk than before may be the empty mount point of one that is away: what was known in it is kept during this walk.
   * The new disk is believed once something known was found on it, or when nothing was known.
   */
  private judgeDevice(relative: Buffer, folder: { id: number; device: string }, device: string, familiar: () => boolean): void {
    const { locations, scan } = this.options
    const changed = folder.device !== '' && folder.device !== device
    if (changed) {
      if (relative.length === 0) this.rootChanged = true
      if (this.kept.length < KEPT_MAX) this.kept.push(relative)
    }
    if (relative.length === 0) this.rootFolder = { id: folder.id, device }
    locations.setFolder(folder.id, changed && (relative.length === 0 || !familiar()) ? folder.device : device, scan)
  }

  private isWalked(parent: Buffer, name: Buffer): boolean {
    const parentName = parent.subarray(parent.lastIndexOf(SLASH) + 1).toString('utf8')
    if (isIgnoredFolder(name.toString('utf8'), parentName)) return false
    return !this.excluded.has(folderKey(joinPath(this.absolute(parent), name)))
  }

  /** True when the file is there as a row: unchanged, or pending to be read. */
  private file(
    folder: { readonly id: number; readonly relative: Buffer; readonly inodesLast: boolean },
    name: Buffer,
    before: KnownFile | undefined,
  ): boolean {
    const { locations } = this.options
    let stats: BigIntStats
    try {
      stats = lstatSync(joinPath(this.absolute(folder.relative), name), { bigint: true })
    } catch {
      return false // removed while we walked
    }
    const identity = folder.inodesLast ? identityOf(stats) : { ...identityOf(stats), inode: 0n }
    const onlyOnline = isOnlyOnline(stats, this.options.platform)
    this.filesSeen++
    const cameOrWent = before?.reason === ONLY_ONLINE ? !onlyOnline : before?.state === 'pending' && onlyOnline
    if (before && isSame(before, identity) && !cameOrWent) {
      if (before.missing !== 0) locations.setMissing(folder.id, name, 0)
      return true
    }
    const reason = identity.size === 0n ? EMPTY_FILE : onlyOnline ? ONLY_ONLINE : null
    if (reason !== null) {
      if (before && before.state !== 'skipped') this.options.onEmptied(joinPath(folder.relative, name))
      locations.putFile(folder.id, { name, ...identity, sha256: null, state: 'skipped', reason })
      return true
    }
    locations.putFile(folder.id, { name, ...identity, sha256: null, state: 'pending', reason: null })
    return true
  }
}

/** Linux tells kinds of file systems by number; Windows keeps none, and macOS counts its kinds anew at each start. */
function fileSystemType(absolute: Buffer): bigint | null {
  if (process.platform !== 'linux') return null
  try {
    return statfsSync(absolute, { bigint: true }).type
  } catch {
    return null // a disk that goes away now is told by the next look at it
  }
}

/** Reading such a file would fetch it, and so the whole cloud folder. On Linux there are none, but files with holes look like them. */
export function isOnlyOnline(stats: Pick<BigIntStats, 'size' | 'blocks'>, platform: NodeJS.Platform = process.platform): boolean {
  return (platform === 'win32' || platform === 'darwin') && stats.size > BLOCKLESS_MAX_BYTES && stats.blocks === 0n
}

function isSame(before: FileIdentity, now: FileIdentity): boolean {
  return before.size === now.size && before.mtimeNs === now.mtimeNs && (now.inode === 0n || before.inode === now.inode)
}

/**
 * Equal for paths of the same folder. A walked path is put together with slashes, also below `C:\` and `/`; what Windows tells has
 * backslashes, and there letters of both sizes are the same.
 */
export function folderKey(path: Buffer, platform: NodeJS.Platform = process.platform): string {
  if (platform !== 'win32') return path.toString('latin1').replaceAll(/\/+/g, '/')
  return path
    .toString('utf8')
    .replaceAll(/[\\/]+/g, '/')
    .toLowerCase()
}

export function identityOf(stats: BigIntStats): FileIdentity {
  return { size: stats.size, mtimeNs: stats.mtimeNs, inode: BigInt.asIntN(64, stats.ino), device: String(stats.dev) }
}

function isUnder(path: Buffer, prefix: Buffer): boolean {
  if (prefix.length === 0) return true
  return path.subarray(0, prefix.length).equals(prefix) && (path.length === prefix.length || path[prefix.length] === 0x2f)
}

/** Media by its extension; a name without one is looked into later. */
function isCandidate(name: Buffer): boolean {
  if (isIgnoredFile(name.toString('utf8'))) return false
  return typeByName(name) !== null || extensionOf(name) === ''
}

/** Some filesystems do not tell a type in the listing. */
function typeOf(entry: Dirent<Buffer>, path: () => Buffer): 'file' | 'folder' | 'other' {
  if (entry.isFile()) return 'file'
  if (entry.isDirectory()) return 'folder'
  if (entry.isSymbolicLink() || entry.isFIFO() || entry.isSocket() || entry.isBlockDevice() || entry.isCharacterDevice()) return 'other'
  try {
    const stats = lstatSync(path())
    if (stats.isFile()) return 'file'
    return stats.isDirectory() ? 'folder' : 'other'
  } catch {
    return 'other'
  }
}
