import { isDeepStrictEqual } from 'node:util'
import * as z from 'zod/mini'
import type { OpLog } from '@thatdam/oplog/disk/log'
import type { Json } from '@thatdam/protocol/canonical'
import { Hlc, OpId, type Op, type OpBody } from '@thatdam/protocol/ops'
import { JsonValue } from '@thatdam/protocol/plan'
import { DEFAULT_SETTINGS, NodeSettings } from '@thatdam/protocol/settings'
import { readJson, setAside, writeFileDurable } from '@thatdam/store/durable'
import { isAllowed } from './allowed-roots.ts'
import { AssetCount } from './asset-count.ts'

const FIELDS = ['name', 'labels', 'indexPaths', 'excludeServices', 'excludeLeader', 'quotas', 'quietHours'] as const
type Field = (typeof FIELDS)[number]
const PAGE = 1000
/** Names of more cameras than this are not kept. */
const CAMERAS_MAX = 1024
const CAMERA = 'camera/'

const CameraName = z.string().check(z.maxLength(200))
const Winner = z.object({ id: OpId, hlc: Hlc, value: JsonValue })
/** `settings.json`: the fold of this node's `node.set` ops and of the cameras' names up to a position of the feed; made anew from the ops when it is lost. */
const SettingsFile = z.object({
  version: z.literal(1),
  feedId: z.string(),
  position: z.number(),
  winners: z.record(z.string(), Winner),
  /** Which cloud the two below belong to: its instance key. */
  cloud: z.nullable(z.string()),
  cloudRevision: z.number(),
  /** What the cloud last heard from us: a field in which its wish differs from this is a field that it changed. */
  reported: z.nullable(NodeSettings),
  /** INDEX_PATHS at the last start: only a change of it counts as the owner's edit. */
  environmentPaths: z.nullable(z.array(z.string())),
  problems: z.array(z.string()),
  /** Wishes made on this machine that only an admitter may sign: they count here at once, and wait for the leader. */
  pending: z.optional(z.partial(NodeSettings)),
  /** What is folded: a file that has less is folded anew. */
  folds: z.optional(z.string()),
})
type SettingsFile = z.infer<typeof SettingsFile>
const FOLDS = 'node.set camera.set assets'

export interface SettingsOptions {
  readonly path: string
  readonly assetsPath: string
  readonly nodeId: string
  /** What people call the machine until they name it. */
  readonly defaultName: string
  readonly oplog: OpLog
  readonly allowedRoots: () => readonly string[]
  /** Whether this machine may sign what its owner wishes of it; else the leader does. */
  readonly maySign: () => boolean
  readonly changed: () => void
  /** In a sentence for people, that the file was damaged and set aside. */
  readonly damaged: (sentence: string, error: unknown) => void
}

/** The owner's wishes for this node. The op-log is the truth; this is its fold, with what the cloud knows of it. */
export class Settings {
  private readonly options: SettingsOptions
  private file: SettingsFile
  private current: NodeSettings
  private readonly assetCount: AssetCount
  private writing: Promise<void> = Promise.resolve()

  private constructor(options: SettingsOptions, file: SettingsFile, assetCount: AssetCount) {
    this.options = options
    this.file = file
    this.assetCount = assetCount
    this.current = this.fold()
  }

  static async open(options: SettingsOptions): Promise<Settings> {
    const stored = await readJson(options.path, SettingsFile).catch(async (error: unknown) => {
      const aside = await setAside(options.path)
      options.damaged(
        `The settings file ${options.path} was damaged. It was kept as ${aside}, and the settings come from the op-log: look at them once.`,
        error,
      )
      return null
    })
    const fresh: SettingsFile = {
      version: 1,
      feedId: options.oplog.feedId,
      position: 0,
      winners: {},
      cloud: null,
      cloudRevision: 0,
      reported: null,
      environmentPaths: null,
      problems: [],
      folds: FOLDS,
    }
    const assetCount = new AssetCount(options.assetsPath, options.oplog.feedId)
    const usable =
      stored !== null &&
      stored.feedId === options.oplog.feedId &&
      stored.position <= options.oplog.position &&
      stored.folds === FOLDS &&
      !assetCount.isFresh
    const settings = new Settings(
      options,
      usable ? stored : { ...fresh, ...stored, feedId: fresh.feedId, position: 0, winners: {}, folds: FOLDS },
      assetCount,
    )
    settings.absorb()
    return settings
  }

  get value(): NodeSettings {
    return this.current
  }

  get problems(): readonly string[] {
    return this.file.problems
  }

  get assets(): number {
    return this.assetCount.value
  }

  /** What people call cameras, by camera id; empty where a name was taken back. */
  get cameraNames(): ReadonlyMap<string, string> {
    const named = Object.entries(this.file.winners).filter(([key]) => key.startsWith(CAMERA))
    return new Map(named.map(([key, { value }]) => [key.slice(CAMERA.length), typeof value === 'string' ? value : '']))
  }

  get cloudRevision(): number {
    return this.file.cloudRevision
  }

  /** Takes in what the op-log has beyond the last position; tells whether a setting changed. */
  absorb(): boolean {
    const { oplog } = this.options
    let named = false
    if (this.file.feedId !== oplog.feedId) {
      // What counted may count no more: the fold begins anew with the feed.
      this.file = { ...this.file, feedId: oplog.feedId, position: 0, winners: {} }
      this.assetCount.beginAnew(oplog.feedId)
      named = true
    }
    for (;;) {
      const entries = oplog.read(this.file.position, PAGE)
      this.assetCount.add(entries.flatMap(({ op: { body } }) => (body.kind === 'asset.ingested' ? [body.assetId] : [])))
      for (const { op, position } of entries) {
        this.file.position = position
        named = (this.take(op) && op.body.kind === 'camera.set') || named
      }
      if (entries.length < PAGE) break
    }
    this.settlePending()
    const next = this.fold()
    if (!named && isDeepStrictEqual(next, this.current)) return false
    this.current = next
    this.options.changed()
    return true
  }

  /** Keeps the newest wish of each field; tells whether this op is it. */
  private take({ id, hlc, body }: Op): boolean {
    const key = this.keyOf(body)
    if (key === null || !('value' in body)) return false
    const known = this.file.winners[key]
    if (known && (known.hlc > hlc || (known.hlc === hlc && known.id >= id))) return false
    this.file.winners[key] = { id, hlc, value: body.value }
    return true
  }

  /** Null: no wish of ours, or not well formed. */
  private keyOf(body: OpBody): string | null {
    if (body.kind === 'node.set') {
      const isOurs = body.subject === this.options.nodeId && NodeSettings.shape[body.field].safeParse(body.value).success
      return isOurs ? body.field : null
    }
    if (body.kind !== 'camera.set' || !CameraName.safeParse(body.value).success) return null
    const key = CAMERA + body.subject
    return key in this.file.winners || Object.keys(this.file.winners).length < CAMERAS_MAX ? key : null
  }

  close(): void {
    this.assetCount.close()
  }

  /** Wishes that wait for the leader; null: none. */
  get pending(): Partial<NodeSettings> | null {
    const pending = (this.file.pending ?? {}) as Partial<NodeSettings>
    return Object.keys(pending).length === 0 ? null : pending
  }

  /**
   * This machine went over to another ring, where what it had signed for itself does not count: all that its owner ever wished of it is wished anew.
   * Call it before the roster's change is told to the op-log.
   */
  async carryOver(): Promise<void> {
    const wishes = FIELDS.filter((field) => this.file.winners[field] !== undefined).map((field) => [field, this.current[field]])
    this.file.pending = { ...(Object.fromEntries(wishes) as Partial<NodeSettings>), ...this.file.pending }
    await this.save()
  }

  /** What the fold says by now, the leader has signed. Where this machine became an admitter meanwhile, it signs itself. */
  private settlePending(): void {
    const pending = this.pending
    if (pending === null) return
    const folded = this.foldOnly()
    const left = FIELDS.filter((field) => pending[field] !== undefined && !isDeepStrictEqual(pending[field], folded[field]))
    this.file.pending = {}
    const wish = Object.fromEntries(left.map((field) => [field, pending[field]])) as Partial<NodeSettings>
    if (left.length > 0 && this.options.maySign()) this.append(wish, folded)
    else this.file.pending = wish
  }

  /** Appends ops for the fields that differ from what counts now: signed and fsynced when it returns. Or leaves them to the leader. */
  set(wish: Partial<NodeSettings>): void {
    if (!this.options.maySign()) {
      const changed = FIELDS.filter((field) => wish[field] !== undefined && !isDeepStrictEqual(wish[field], this.current[field]))
      if (changed.length === 0) return
      this.file.pending = {
        ...this.file.pending,
        ...(Object.fromEntries(changed.map((field) => [field, wish[field]])) as Partial<NodeSettings>),
      }
      this.current = this.fold()
      void this.save()
      this.options.changed()
      return
    }
    if (this.append(wish, this.current)) this.absorb()
  }

  private append(wish: Partial<NodeSettings>, now: NodeSettings): boolean {
    const bodies = FIELDS.filter((field) => wish[field] !== undefined && !isDeepStrictEqual(wish[field], now[field])).map(
      (field): { body: OpBody } => ({
        body: {
          kind: 'node.set',
          subject: this.options.nodeId,
          field,
          value: wish[field] as Json,
          replaces: this.file.winners[field]?.id ?? null,
        },
      }),
    )
    if (bodies.length > 0) this.options.oplog.append(bodies)
    return bodies.length > 0
  }

  /** INDEX_PATHS at start: the owner's own edit on the machine, when it is not what it was at the last start. */
  async acceptEnvironment(paths: readonly string[] | null): Promise<void> {
    if (isDeepStrictEqual(paths, this.file.environmentPaths)) return
    if (paths !== null) this.set({ indexPaths: [...paths] })
    this.file.environmentPaths = paths === null ? null : [...paths]
    await this.save()
  }

  /**
   * What the owner changed on the cloud's page becomes ops here. Index paths outside the folders that the machine's owner allowed are left
   * out, with a sentence for the page. A revision that was taken in before changes nothing.
   */
  async acceptCloud(cloud: string, revision: number, wish: NodeSettings): Promise<void> {
    if (this.file.cloud !== cloud) this.file = { ...this.file, cloud, cloudRevision: 0, reported: null }
    if (revision <= this.file.cloudRevision) return
    const base = this.file.reported ?? this.current
    const changed: Partial<Record<Field, unknown>> = {}
    for (const field of FIELDS) if (!isDeepStrictEqual(wish[field], base[field])) changed[field] = wish[field]
    this.file.problems = []
    if (changed['indexPaths'] !== undefined) changed['indexPaths'] = this.keepAllowed(wish.indexPaths)
    this.set(changed as Partial<NodeSettings>)
    this.file.cloudRevision = revision
    this.options.changed()
    await this.save()
  }

  /** After the cloud took a report with this value. */
  async confirmReported(cloud: string, value: NodeSettings): Promise<void> {
    if (this.file.cloud === cloud && isDeepStrictEqual(this.file.reported, value)) return
    if (this.file.cloud !== cloud) this.file = { ...this.file, cloud, cloudRevision: 0 }
    this.file.reported = value
    await this.save()
  }

  /** One write at a time, always of the newest. */
  save(): Promise<void> {
    this.writing = this.writing.catch(() => {}).then(() => writeFileDurable(this.options.path, `${JSON.stringify(this.file)}\n`))
    return this.writing
  }

  private keepAllowed(paths: readonly string[]): string[] {
    const roots = this.options.allowedRoots()
    const known = new Set(this.current.indexPaths)
    const kept = paths.filter((path) => known.has(path) || isAllowed(path, roots))
    for (const path of paths.filter((one) => !kept.includes(one)).slice(0, 32)) {
      this.file.problems.push(
        `The folder ${path.slice(0, 300)} is not indexed: this machine’s owner has not allowed the cloud to choose it. Add it on the machine’s own console, or register again with --allow-index.`,
      )
    }
    return kept
  }

  private fold(): NodeSettings {
    return NodeSettings.parse({ ...this.foldOnly(), ...this.file.pending })
  }

  private foldOnly(): NodeSettings {
    const value: Record<string, unknown> = { ...DEFAULT_SETTINGS(this.options.defaultName) }
    for (const field of FIELDS) {
      const winner = this.file.winners[field]
      if (winner) value[field] = winner.value
    }
    return NodeSettings.parse(value)
  }
}
