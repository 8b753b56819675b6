import type { Json } from '@thatdam/protocol/canonical'
import type { FromService, ServiceConfig, ToService } from '@thatdam/protocol/local'
import type { Quotas, ServiceName } from '@thatdam/protocol/plan'
import type { ExecSpec, ServiceContext } from '../services/service.ts'
import type { LogFile } from './log-file.ts'

/*
 * The one shape of every runtime folder: `runtimes/<name>/runtime.ts` exports a function that gives a `Runtime`.
 *
 *   plan applier ─▶ SupervisedService (supervised.ts: starts again, counts, says why) ── launch ─▶ Life: one life of a process
 *                                                                                    ◀─ onMessage*, onEnd once ──
 *
 * A runtime decides where a service's process runs, how it is bounded, and what carries its messages. When to start it again is not its
 * business. `Child` of exec/ is the plainest Life.
 */

export interface Runtime {
  readonly name: 'exec' | 'docker' | 'ns'
  /** Begins at once; whatever goes wrong comes by `onEnd`. */
  launch(request: LifeRequest): Life
  /** The plan's share of the processor for background work: for what runs now and for what comes. */
  quotas(quotas: Quotas): void
  /** After the last life ended. */
  close(): Promise<void>
}

export interface LifeRequest {
  readonly context: ServiceContext
  readonly spec: ExecSpec
  /** Of the context, with the siblings of this moment. */
  readonly config: ServiceConfig
  readonly log: LogFile
  readonly onMessage: (message: FromService) => void
  /** One sentence while it starts, or about how it runs: shown as long as the service itself says nothing. */
  readonly onNote: (sentence: string) => void
  /** Exactly once, when nothing of it is left. */
  readonly onEnd: (end: LifeEnd) => void
}

export interface LifeEnd {
  readonly code: number | null
  readonly signal: string | null
  /** It was ended because it took more memory than it may. */
  readonly overMemory: boolean
  /** The last line of its output that names an error. */
  readonly lastLine: string
  /** It never began, and not by its own fault: what is missing, in one sentence. Such an end is no failed start. */
  readonly unavailable?: string
}

export interface Life {
  send(message: ToService): void
  /** @throws ThatdamError UNAVAILABLE when it ends or does not answer, else whatever it answered. */
  command(command: string, params: Readonly<Record<string, Json>>): Promise<Json>
  /** Asks it to stop; after `limitMs` (10 s) what is left is ended hard. Resolves when nothing of it runs. */
  stop(limitMs?: number): Promise<void>
}

/** Work that can wait: it shares what the plan's `cpuReservePercent` leaves, and comes after all else when the processor is busy. */
export const BACKGROUND: ReadonlySet<ServiceName> = new Set(['indexer', 'deriver', 'transcoder', 'intel'])

/** What a service that names no bound for its tools (ffmpeg, exiftool, a database) may use for them. */
const TOOLS_MAX_BYTES = 1024 * 1024 * 1024

/** All that a service may hold in memory, its tools with it. */
export const memoryMaxBytes = (spec: ExecSpec): number => spec.rssMaxBytes + (spec.toolsMaxBytes ?? TOOLS_MAX_BYTES)

/** Of the machine's processors, how many background work may use. */
export const backgroundCores = (cores: number, quotas: Quotas): number => cores * (1 - quotas.cpuReservePercent / 100)
