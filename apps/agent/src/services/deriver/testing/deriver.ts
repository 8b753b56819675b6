import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Json } from '@thatdam/protocol/canonical'
import type { DeriveStatus } from '@thatdam/protocol/index-status'
import type { AssetKind, OpBody, OpOf } from '@thatdam/protocol/ops'
import { openBlobStore, type BlobStore } from '@thatdam/store/blob-store'
import { FakeAgent, hostService, temporaryFolder, waitFor, type HostedService } from '@thatdam/testkit/service-host'
import sharp from 'sharp'
import { expect } from 'vitest'
import { combine } from '../../indexer/media-info.ts'

type Folder = Awaited<ReturnType<typeof temporaryFolder>>
type Kind = 'photo' | 'video' | 'audio'

/** A deriver in a process of its own, with its agent, a store and a folder. */
export class TestDeriver {
  readonly agent: FakeAgent
  readonly store: BlobStore
  readonly folder: string
  readonly stateDir: string
  readonly #temporary: Folder
  #service: HostedService | null = null

  static async open(): Promise<TestDeriver> {
    const folder = await temporaryFolder('deriver')
    return new TestDeriver(folder, await FakeAgent.start(), await openBlobStore(join(folder.path, 'cas'), { reserveBytes: 0 }))
  }

  private constructor(folder: Folder, agent: FakeAgent, store: BlobStore) {
    this.agent = agent
    this.store = store
    this.folder = folder.path
    this.stateDir = join(folder.path, 'state')
    this.#temporary = folder
  }

  async close(): Promise<void> {
    await this.stop()
    await this.agent.close()
    await this.#temporary.remove()
  }

  start(ffmpegPath: string | null = 'ffmpeg'): void {
    this.#service = hostService(join(import.meta.dirname, '../process.ts'), this.agent, {
      service: 'deriver',
      stateDir: this.stateDir,
      casRoot: join(this.folder, 'cas'),
      ffmpegPath,
      ffprobePath: ffmpegPath === null ? null : 'ffprobe',
    })
  }

  async stop(): Promise<void> {
    await this.#service?.stop()
  }

  async kill(): Promise<void> {
    await this.#service?.kill()
  }

  status(): DeriveStatus | null {
    return (this.#service?.status() ?? null) as DeriveStatus | null
  }

  hasSaid(text: RegExp): boolean {
    return this.#service?.messages.some((message) => message.type === 'running' && text.test(message.reason)) ?? false
  }

  async command(command: string, params: Record<string, Json> = {}): Promise<{ readonly ok: boolean; readonly value: Json } | null> {
    return (await this.#service?.command(command, params)) ?? null
  }

  /** A source that lies in the store, announced. */
  async add(data: Uint8Array, kind: Kind, mimeType: string, durationMs: number | null = null): Promise<string> {
    const { sha256 } = await this.store.put(data)
    this.agent.add([ingested(sha256, kind, mimeType, { durationMs })])
    return sha256
  }

  /** One that whoever took it in could not read. */
  async addUnread(data: Uint8Array, kind: Kind, mimeType: string): Promise<string> {
    const { sha256 } = await this.store.put(data)
    this.agent.add([ingested(sha256, kind, mimeType, { isRead: false })])
    return sha256
  }

  probed(source: string): Promise<OpOf<'asset.probed'>> {
    return waitFor(() => this.agent.ops('asset.probed').find(({ assetId }) => assetId === source) ?? null)
  }

  /** Both previews of a source, by recipe, once they are told; what is told of them holds. */
  async thumbs(source: string): Promise<Record<string, Buffer>> {
    const made = await waitFor(() => {
      const found = this.agent.ops('derivative.made').filter((op) => op.sourceSha256 === source)
      return found.length >= 2 ? found : null
    })
    const blobs = new Set(this.agent.ops('blob.stored').map((op) => op.sha256))
    const all: Record<string, Buffer> = {}
    for (const op of made) {
      expect(blobs.has(op.sha256)).toBe(true)
      expect(await this.store.verify(op.sha256)).toBe('ok')
      all[op.recipe] = Buffer.concat(await Array.fromAsync(this.store.read(op.sha256)))
      expect(await sharp(all[op.recipe]).metadata()).toMatchObject({ width: op.width, height: op.height, format: 'webp' })
    }
    return all
  }

  async failure(source: string): Promise<string> {
    const found = await waitFor(() => this.agent.ops('derivative.failed').filter((op) => op.sourceSha256 === source)[0] ?? null, 60_000)
    return found.reason
  }

  /** What ffmpeg makes of it, which stays in the folder. */
  ffmpeg(output: string, ...args: string[]): Buffer {
    const path = join(this.folder, output)
    execFileSync('ffmpeg', ['-v', 'error', '-y', ...args, path])
    return readFileSync(path)
  }

  /** Black for two seconds, then six that show something. */
  lateFilm(output: string): Buffer {
    const [black, shown] = ['color=black:s=320x180:r=10:d=2', 'testsrc=s=320x180:r=10:d=6'].map((source) => ['-f', 'lavfi', '-i', source])
    return this.ffmpeg(output, ...(black ?? []), ...(shown ?? []), '-filter_complex', '[0][1]concat=n=2', '-pix_fmt', 'yuv420p')
  }
}

export const sha = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex')

export function ingested(
  assetId: string,
  kind: Kind,
  mimeType: string,
  { durationMs = null, isRead = true }: { readonly durationMs?: number | null; readonly isRead?: boolean } = {},
): OpBody {
  const { media } = combine({ kind, mimeType }, null, null)
  const assetKind: AssetKind = kind
  return {
    kind: 'asset.ingested',
    assetId,
    sizeBytes: 1,
    assetKind,
    title: 'x',
    origin: 'uploaded',
    media: { ...media, durationMs, ...(isRead ? { width: 1, container: 'read' } : {}) },
    capture: null,
  }
}

export const photo = (background: string): Promise<Buffer> =>
  sharp({ create: { width: 900, height: 600, channels: 3, background } })
    .jpeg()
    .toBuffer()

export async function isBlack(picture: Buffer | undefined): Promise<boolean> {
  const { channels } = await sharp(picture).stats()
  return Math.max(...channels.map((channel) => channel.mean)) < 40
}
