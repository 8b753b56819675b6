import type { DatabaseSync } from 'node:sqlite'
import type { OpFeed } from '@thatdam/protocol/local'
import { isUnread, type OpBody } from '@thatdam/protocol/ops'
import type { BlobStore } from '@thatdam/store/blob-store'
import type { Derivatives } from '@thatdam/store/derivatives'
import { getMeta, setMeta, transaction } from '@thatdam/store/index-db'
import { RECIPES_KEY, recipeHash, wantedRecipes } from '@thatdam/store/recipe-hash'

const PAGE = 500
const WAIT_MS = 25_000
const RETRY_MS = 2_000

export interface FeedParts {
  readonly db: DatabaseSync
  readonly derivatives: Derivatives
  readonly store: BlobStore
  readonly nodeId: string
  readonly signal: AbortSignal
  readonly readOps: (after: number, waitMs: number, limit: number) => Promise<OpFeed>
  /** The end of the feed was reached, or there is new work. */
  readonly onNews: (caughtUp: boolean) => void
}

/**
 * Follows the op feed for ever: assets become wanted derivatives. The place in the feed is kept in the transaction that writes what was
 * learned up to it; a rebuilt feed (another id) is read from its beginning, which changes nothing that is known, and so is any when another recipe
 * is wanted than before.
 */
export async function followFeed(parts: FeedParts): Promise<void> {
  let caughtUp = false
  while (!parts.signal.aborted) {
    try {
      caughtUp = await readPage(parts, caughtUp ? WAIT_MS : 0)
      parts.onNews(caughtUp)
    } catch (error) {
      if (parts.signal.aborted) return
      console.error('the op feed does not answer; asking again', error)
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS * (0.75 + Math.random() / 2)))
    }
  }
}

/** Returns true when nothing more is there now. */
async function readPage(parts: FeedParts, waitMs: number): Promise<boolean> {
  const { db } = parts
  const feedId = getMeta(db, 'deriver.feed')
  const after = getMeta(db, 'deriver.recipes') === RECIPES_KEY ? Number(getMeta(db, 'deriver.position') ?? '0') : 0
  const feed = await parts.readOps(after, waitMs, PAGE)
  const rebuilt = feedId !== null && feedId !== feed.feedId
  const made = new Set<string>()
  for (const entry of rebuilt ? [] : feed.entries) {
    const { body } = entry.op
    if (body.kind === 'derivative.made' && (await parts.store.has(body.sha256))) made.add(body.sha256)
  }
  transaction(db, () => {
    setMeta(db, 'deriver.feed', feed.feedId)
    setMeta(db, 'deriver.recipes', RECIPES_KEY)
    setMeta(db, 'deriver.position', String(rebuilt ? 0 : feed.position))
    if (!rebuilt) for (const entry of feed.entries) learn(parts, entry.op.body, entry.nodeId, made)
  })
  return !rebuilt && feed.entries.length < PAGE
}

function learn(parts: FeedParts, body: OpBody, author: string, made: ReadonlySet<string>): void {
  const { derivatives, nodeId } = parts
  if (body.kind === 'asset.ingested') {
    if (body.assetKind === 'other') return
    const job = { source: body.assetId, kind: body.assetKind, mimeType: body.media.mimeType, durationMs: body.media.durationMs }
    for (const recipe of wantedRecipes(isUnread(body))) derivatives.want(job, recipe, recipeHash(recipe))
  } else if (body.kind === 'asset.probed') {
    const { assetId: source, assetKind: kind, media, recipeHash: hash } = body
    if (kind !== 'other') derivatives.describe({ source, kind, mimeType: media.mimeType, durationMs: media.durationMs })
    derivatives.made(source, 'media-info', hash, null)
  } else if (body.kind === 'location.seen' && body.nodeId === nodeId) {
    derivatives.back(body.assetId)
  } else if (body.kind === 'blob.stored' && body.nodeId === nodeId) {
    derivatives.back(body.sha256)
  } else if (body.kind === 'derivative.made' && made.has(body.sha256)) {
    derivatives.made(body.sourceSha256, body.recipe, body.recipeHash, body.sha256)
  } else if (body.kind === 'derivative.failed' && author === nodeId) {
    derivatives.failed(body.sourceSha256, body.recipe, body.recipeHash, body.reason)
  }
}
