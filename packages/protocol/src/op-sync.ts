import * as z from 'zod/mini'
import { Sha256Hex, UnixMs } from './ids.ts'
import { OpScope, SignedBatch } from './ops.ts'

/*
 * How two members of a ring compare their op-logs, over the node API: one asks, the other answers. Every answer that tells what a node holds is
 * an acknowledgement too: what it names is fsynced there.
 */

/** `<nodeId>/<epoch>`. */
export const LogId = z.string().check(z.regex(/^[a-z0-9][a-z0-9-]{0,62}\/[0-9a-f]{32}$/, 'not the id of a log'))
export type LogId = z.infer<typeof LogId>

/** Logs of one node's disk: more than this many are not told. */
export const LOGS_MAX = 4096
/** Batches of one answer or push, and their size as JSON. */
export const SYNC_BATCHES_MAX = 64
export const SYNC_BYTES_MAX = 1_048_576

const Count = z.number().check(z.int(), z.nonnegative())

/**
 * One log as a machine holds it. `head`: hash of its newest batch (the greatest of them, where a fork has two). `scope`: a log in which a forger
 * mixed both counts as `ring`, so that whoever carries a part of it carries all.
 */
export const LogSummary = z.object({ logId: LogId, scope: OpScope, sequence: Count, batches: Count, head: Sha256Hex })
export type LogSummary = z.infer<typeof LogSummary>

const Logs = z.array(LogSummary).check(z.maxLength(LOGS_MAX))
const Batches = z.array(SignedBatch).check(z.maxLength(SYNC_BATCHES_MAX))
/** What a node holds, and the highest time its clock has given or seen (unix ms): whoever is far above everybody else stamps wrongly. */
const Holding = z.object({ logs: Logs, clockMs: UnixMs })
export type Holding = z.infer<typeof Holding>

export const SyncRequest = z.discriminatedUnion('kind', [
  /** `scopes`: what the one who asks carries. The answer tells the logs of these, and all of the asker's own. */
  z.object({ kind: z.literal('heights'), scopes: z.array(OpScope).check(z.maxLength(2)), logs: Logs, clockMs: UnixMs }),
  /** A page of one log from a sequence on. */
  z.object({ kind: z.literal('batches'), logId: LogId, from: z.number().check(z.int(), z.positive()) }),
  /** Fresh batches of the sender, at once. The answer tells what is held of these logs now. */
  z.object({ kind: z.literal('push'), batches: Batches }),
])
export type SyncRequest = z.infer<typeof SyncRequest>
export type SyncRequestOf<K extends SyncRequest['kind']> = Extract<SyncRequest, { kind: K }>

export const HeightsAnswer = Holding
export const BatchesAnswer = z.object({ batches: Batches })
export const PushAnswer = Holding
export type SyncAnswer = Holding | z.infer<typeof BatchesAnswer>
