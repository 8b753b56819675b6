import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { readOrder } from '@thatdam/plan/placement/read-order'
import { ThatdamError } from '@thatdam/protocol/errors'
import type { NodeId, Sha256Hex } from '@thatdam/protocol/ids'
import type { BlobStore, StoredBlob } from '@thatdam/store/blob-store'
import type { NodeClient } from '../link/client.ts'
import { blobPath, originalPath } from './paths.ts'

/** Blobs brought into the store at once; more wait. */
const FETCHES_MAX = 2
const WAITING_MAX = 256
/** Each silence of a machine that sends. */
const SILENCE_MS_MAX = 15_000
/** A machine that gave less than this before it broke off has gained nothing; so often in a row, and another one is asked. */
const PROGRESS_BYTES_MIN = 1024 * 1024
const FAILURES_MAX = 3
/** A machine whose bytes were not the blob is not asked for it again this long. */
const BAD_MS = 10 * 60_000
const BAD_MAX = 1_000

export interface PeerBlobPorts {
  readonly client: () => NodeClient
  readonly self: { readonly nodeId: NodeId; readonly site: string | null }
  /** The key of a member that is awake; null: away, or no member. */
  readonly keyOf: (nodeId: NodeId) => string | null
  readonly siteOf: (nodeId: NodeId) => string | null
  readonly store: () => Promise<BlobStore>
  readonly log: (message: string) => void
}

export interface Wanted {
  readonly sha256: Sha256Hex
  /** Who may have it, in any order. */
  readonly holders: readonly NodeId[]
  /** Null: not known. */
  readonly sizeBytes: number | null
}

export interface BlobStream {
  readonly sizeBytes: number
  readonly bytes: AsyncGenerator<Buffer>
}

/** Of one transfer, who sent parts of it. */
interface Transfer {
  readonly sha256: Sha256Hex
  readonly senders: Set<NodeId>
  readonly signal: AbortSignal
}

/**
 * Reads blobs and originals of other members. One machine after the other, in the plan core's read order; a cut connection goes on where it
 * stopped, with the same machine or the next. Whatever was sent, only bytes that hash to the name are ever kept: where parts of several machines
 * gave a wrong whole, each is asked for the whole.
 */
export class PeerBlobs {
  private readonly ports: PeerBlobPorts
  /** Of each machine, how many transfers from it run. */
  private readonly running = new Map<NodeId, number>()
  private readonly fetching = new Map<Sha256Hex, Promise<StoredBlob>>()
  private readonly bad = new Map<string, number>()
  private readonly waiting: (() => void)[] = []
  private lanes = FETCHES_MAX

  constructor(ports: PeerBlobPorts) {
    this.ports = ports
  }

  /**
   * Brings a blob into this machine's store; durable when it resolves.
   * @param pace is given the number of each piece's bytes and holds the transfer up as long as it likes
   * @throws ThatdamError UNAVAILABLE when nobody in reach gives it, UNPROCESSABLE when nobody gives the right bytes, DISK_FULL.
   */
  async fetch(wanted: Wanted, signal: AbortSignal, pace: (bytes: number) => Promise<void> = async () => {}): Promise<StoredBlob> {
    const known = this.fetching.get(wanted.sha256)
    if (known !== undefined) return await known
    const fetched = this.inLane(() => this.fetchNow(wanted, signal, pace))
    this.fetching.set(wanted.sha256, fetched)
    try {
      return await fetched
    } finally {
      this.fetching.delete(wanted.sha256)
    }
  }

  /**
   * The bytes of a blob or original, for a reader that keeps nothing of a stream that ends in an error: the last piece comes only when the whole has
   * hashed to the name. @throws ThatdamError UNAVAILABLE, UNPROCESSABLE, at the beginning or later.
   */
  async open(wanted: Wanted, signal: AbortSignal): Promise<BlobStream> {
    const transfer: Transfer = { sha256: wanted.sha256, senders: new Set(), signal }
    const sources = this.order(wanted)
    const first = await this.firstPart(sources, transfer, 0)
    return { sizeBytes: first.sizeBytes, bytes: this.verified(this.pieces(sources, transfer, first), transfer) }
  }

  /**
   * The bytes from `offset` to the end, for a reader of parts: nothing vouches for them but the machine that sends them. `sizeBytes` is of the whole.
   * @throws ThatdamError UNAVAILABLE, at the beginning or later.
   */
  async openFrom(wanted: Wanted, offset: number, signal: AbortSignal): Promise<BlobStream> {
    const transfer: Transfer = { sha256: wanted.sha256, senders: new Set(), signal }
    const sources = this.order(wanted)
    const first = await this.firstPart(sources, transfer, offset)
    return { sizeBytes: first.sizeBytes, bytes: this.pieces(sources, transfer, first) }
  }

  private async fetchNow(wanted: Wanted, signal: AbortSignal, pace: (bytes: number) => Promise<void>): Promise<StoredBlob> {
    const store = await this.ports.store()
    const { sha256, sizeBytes } = wanted
    const known = { expectedSha256: sha256, ...(sizeBytes === null ? {} : { expectedBytes: sizeBytes }), signal }
    // All together first; after a wrong whole each alone.
    let attempts: (readonly NodeId[])[] = [this.order(wanted)]
    for (let attempt = attempts.shift(); attempt !== undefined; attempt = attempts.shift()) {
      const transfer: Transfer = { sha256, senders: new Set(), signal }
      try {
        return await store.put(this.paced(attempt, transfer, pace), known)
      } catch (error) {
        if (!(error instanceof ThatdamError) || error.code !== 'UNPROCESSABLE') throw error
        this.blame(transfer)
        if (attempt.length > 1) attempts = attempt.filter((nodeId) => !this.isBad(nodeId, sha256)).map((nodeId) => [nodeId])
        if (attempts.length === 0) throw error
      }
    }
    throw new Error('unreachable')
  }

  private async *paced(sources: readonly NodeId[], transfer: Transfer, pace: (bytes: number) => Promise<void>): AsyncGenerator<Buffer> {
    const first = await this.firstPart(sources, transfer, 0)
    for await (const piece of this.pieces(sources, transfer, first)) {
      await pace(piece.length)
      yield piece
    }
  }

  private async *verified(pieces: AsyncIterable<Buffer>, transfer: Transfer): AsyncGenerator<Buffer> {
    const hash = createHash('sha256')
    let held: Buffer | null = null
    for await (const piece of pieces) {
      hash.update(piece)
      if (held !== null) yield held
      held = piece
    }
    if (hash.digest('hex') !== transfer.sha256) {
      this.blame(transfer)
      throw new ThatdamError('UNPROCESSABLE', `What ${[...transfer.senders].join(' and ')} sent is not blob ${transfer.sha256}.`)
    }
    if (held !== null) yield held
  }

  /** From where the first part begins to the end, from whoever has it, part by part where connections are cut. */
  private async *pieces(sources: readonly NodeId[], transfer: Transfer, first: Part): AsyncGenerator<Buffer> {
    const failures = new Map<NodeId, number>()
    let part: Part | null = first
    let { offset } = first
    while (part !== null) {
      const { nodeId, sizeBytes } = part
      const from = offset
      transfer.senders.add(nodeId)
      this.running.set(nodeId, (this.running.get(nodeId) ?? 0) + 1)
      try {
        for await (const piece of part.answer as AsyncIterable<Buffer>) {
          offset += piece.length
          if (offset > sizeBytes)
            throw new ThatdamError('UNPROCESSABLE', `${nodeId} sent more than the ${sizeBytes} bytes it had promised.`)
          yield piece
        }
      } catch (error) {
        if (transfer.signal.aborted || error instanceof ThatdamError) throw error
        this.ports.log(`${nodeId} broke off at ${offset} of ${sizeBytes} bytes of ${transfer.sha256}: ${textOf(error)}`)
      } finally {
        part.answer.destroy()
        this.running.set(nodeId, (this.running.get(nodeId) ?? 1) - 1)
      }
      if (offset === sizeBytes) return
      failures.set(nodeId, offset - from >= PROGRESS_BYTES_MIN ? 0 : (failures.get(nodeId) ?? 0) + 1)
      part = await this.nextPart(sources, failures, { transfer, offset, sizeBytes })
    }
    throw unavailable(transfer.sha256)
  }

  private async firstPart(sources: readonly NodeId[], transfer: Transfer, offset: number): Promise<Part> {
    for (const nodeId of sources) {
      const part = await this.ask(nodeId, transfer, offset).catch((error: unknown) => this.sayNo(nodeId, transfer, error))
      if (part !== null) return part
    }
    transfer.signal.throwIfAborted()
    throw unavailable(transfer.sha256)
  }

  /** From where it was cut: the machines that have failed least first, in their order. Null: all have failed too often. */
  private async nextPart(
    sources: readonly NodeId[],
    failures: Map<NodeId, number>,
    { transfer, offset, sizeBytes }: { transfer: Transfer; offset: number; sizeBytes: number },
  ): Promise<Part | null> {
    for (;;) {
      transfer.signal.throwIfAborted()
      const [nodeId] = sources
        .filter((one) => (failures.get(one) ?? 0) < FAILURES_MAX)
        .toSorted((a, b) => (failures.get(a) ?? 0) - (failures.get(b) ?? 0))
      if (nodeId === undefined) return null
      const part = await this.ask(nodeId, transfer, offset).catch((error: unknown) => this.sayNo(nodeId, transfer, error))
      if (part !== null && part.sizeBytes === sizeBytes) return part
      part?.answer.destroy()
      failures.set(nodeId, (failures.get(nodeId) ?? 0) + 1)
    }
  }

  /** Null: it has it neither in its store nor in a folder. @throws when it does not answer, or refuses. */
  private async ask(nodeId: NodeId, { sha256, signal }: Transfer, offset: number): Promise<Part | null> {
    const publicKey = this.ports.keyOf(nodeId)
    if (publicKey === null) return null
    const headers: Record<string, string> = offset === 0 ? {} : { range: `bytes=${offset}-` }
    for (const path of [blobPath(sha256), originalPath(sha256)]) {
      const asked = { publicKey, method: 'GET', path, headers, timeoutMs: SILENCE_MS_MAX, isBulk: true, signal } as const
      const answer = await this.ports.client().open(asked)
      const sizeBytes = sizeOf(answer, offset)
      if (sizeBytes !== null) return { nodeId, offset, sizeBytes, answer }
      answer.destroy()
      if (answer.statusCode !== 404) throw new Error(`it answered ${answer.statusCode}`)
    }
    return null
  }

  private sayNo(nodeId: NodeId, { sha256, signal }: Transfer, error: unknown): null {
    if (signal.aborted) throw error
    this.ports.log(`${nodeId} did not give ${sha256}: ${textOf(error)}`)
    return null
  }

  private order({ sha256, holders }: Wanted): NodeId[] {
    const { self, keyOf, siteOf } = this.ports
    const others = [...new Set(holders)].filter((nodeId) => nodeId !== self.nodeId && !this.isBad(nodeId, sha256))
    return readOrder(
      others.map((nodeId) => ({
        nodeId,
        site: siteOf(nodeId),
        isAlive: keyOf(nodeId) !== null,
        load: (this.running.get(nodeId) ?? 0) / 4,
      })),
      self,
    )
  }

  /** A machine that alone sent a wrong whole has a wrong copy, or a bad line. */
  private blame({ sha256, senders }: Transfer): void {
    const [only] = senders
    if (only === undefined || senders.size > 1) return
    if (this.bad.size >= BAD_MAX) for (const oldest of this.bad.keys()) if (this.bad.delete(oldest)) break
    this.bad.set(`${only} ${sha256}`, performance.now() + BAD_MS)
    this.ports.log(`what ${only} has as ${sha256} is something else; it is not asked for it again for a while`)
  }

  private isBad(nodeId: NodeId, sha256: Sha256Hex): boolean {
    return (this.bad.get(`${nodeId} ${sha256}`) ?? 0) > performance.now()
  }

  private async inLane<T>(work: () => Promise<T>): Promise<T> {
    if (this.lanes > 0) this.lanes -= 1
    else {
      if (this.waiting.length >= WAITING_MAX)
        throw new ThatdamError('TOO_MANY_REQUESTS', 'Too many files are being fetched. Try again later.')
      await new Promise<void>((resolve) => this.waiting.push(resolve))
    }
    try {
      return await work()
    } finally {
      const next = this.waiting.shift()
      if (next === undefined) this.lanes += 1
      else next()
    }
  }
}

interface Part {
  readonly nodeId: NodeId
  readonly offset: number
  /** Of the whole. */
  readonly sizeBytes: number
  readonly answer: IncomingMessage
}

/** Of the whole; null: this is not the answer to what was asked. */
function sizeOf({ statusCode, headers }: IncomingMessage, offset: number): number | null {
  if (offset === 0) return statusCode === 200 ? wholeNumber(headers['content-length']) : null
  const [, start, whole] = /^bytes (\d+)-\d+\/(\d+)$/.exec(headers['content-range'] ?? '') ?? []
  return statusCode === 206 && Number(start) === offset ? wholeNumber(whole) : null
}

const wholeNumber = (text: string | undefined): number | null => (/^\d{1,15}$/.test(text ?? '') ? Number(text) : null)

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

const unavailable = (sha256: string): ThatdamError =>
  new ThatdamError('UNAVAILABLE', `No machine in reach gives blob ${sha256} now. Switch on a machine that has it.`)
