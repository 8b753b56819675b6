import type { OpFeedEntry } from '@thatdam/protocol/local'
import type { OpBody, SignedBatch } from '@thatdam/protocol/ops'
import type { BatchSigner, VerifyBatchSignature } from '../signing.ts'

export type OpLogOptions = {
  nodeId: string
  signer: BatchSigner
  verify: VerifyBatchSignature
  /** Ring time, unix ms. */
  clock: () => number
  /** Cryptographically random bytes. */
  random: (count: number) => Uint8Array
}
export type AppendedOp = { id: string; hlc: string; position: number }
export interface OpLogApi {
  readonly feedId: string
  /** Of the newest feed entry; 0 when there is none. */
  readonly position: number
  append(ops: readonly { id?: string | undefined; body: OpBody }[]): AppendedOp[]
  read(after: number, limit: number): OpFeedEntry[]
  /** Resolves (true) when there is an entry after this position; false when the signal aborted first. */
  waitFor(after: number, signal: AbortSignal): Promise<boolean>
  batches(logId: string, fromSequence: number): SignedBatch[]
  close(): void
}
