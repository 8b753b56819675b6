import type { Json } from '@thatdam/protocol/canonical'
import type { NodeFacts } from '@thatdam/protocol/facts'
import type { ServiceConfig } from '@thatdam/protocol/local'
import type { PlanBody, PlannedService, ServiceName, ServiceState } from '@thatdam/protocol/plan'

/*
 * The one shape of every service folder: `services/<name>/service.ts` exports `service: Service`; a service with a process of its own has
 * `process.ts` beside it, which calls `runChild` of ../child.ts.
 *
 *   plan ─▶ assess ─▶ {waiting: reason}        shown, asked again when facts or plan change
 *                └──▶ {canRun: true} ─▶ start ─▶ RunningService ─▶ stop
 *
 * A changed configuration stops the service and starts it anew. Only what `uses` names is in a service's configuration, so that, say, a
 * camera that was plugged in does not restart the indexer.
 */

/** Parts of the configuration that not every service needs; those not named in `uses` are empty and restart nothing. */
export type ConfigPart = 'indexPaths' | 'cameras' | 'ffmpeg' | 'maxParallel' | 'nodeName'

export interface ServiceContext {
  readonly planned: PlannedService
  /** The whole plan, for the few that depend on what else runs here. */
  readonly plan: PlanBody
  readonly config: ServiceConfig
  readonly facts: NodeFacts
}

/** `waiting`: one plain sentence that says what is missing and what to do about it. */
export type Assessment = { readonly canRun: true } | { readonly waiting: string }

export interface ServiceView {
  readonly state: ServiceState
  /** One sentence; empty when there is nothing to say. */
  readonly reason: string
  readonly restarts: number
  /** Base URL on loopback once it is up, for siblings and the gateway. */
  readonly url: string | null
  /** Its last `status` message. */
  readonly status: Json | null
  /** How often in a row it ended before it was ready. Three make a plan fail. */
  readonly failedStarts: number
}

export interface RunningService {
  view(): ServiceView
  /** @throws ThatdamError UNAVAILABLE when it is not up, else whatever the service answered. */
  command(command: string, params: Readonly<Record<string, Json>>): Promise<Json>
  setPeers(peers: Readonly<Record<string, string>>): void
  /** Ordered: resolves when nothing of it is left running; after `limitMs` (10 s) what is left is ended hard. */
  stop(limitMs?: number): Promise<void>
}

export interface ExecSpec {
  /** What Node runs. Left out: `dist/services/<name>.cjs` (from sources: `services/<name>/process.ts`). */
  readonly entry?: { readonly file: string; readonly cwd: string }
  /** 0 (normal) – 19 (only when nothing else wants the processor). */
  readonly nice: number
  /** Above this, the process is ended and started again. Its own memory, without its ffmpegs. */
  readonly rssMaxBytes: number
  /** What its ffmpegs and other tools may use besides, where the system can bound them (control groups, containers). Left out: 1 GiB. */
  readonly toolsMaxBytes?: number
  /** Bound of V8's heap; Buffers are not in it. */
  readonly heapMaxMiB: number
}

export interface BundleSource {
  /**
   * The unpacked bundle's folder, fetched and verified when it is not here yet. `progress` gets one sentence for the person.
   * @throws ThatdamError that says why it cannot be had now.
   */
  open(name: 'console', progress: (sentence: string) => void, signal: AbortSignal): Promise<string>
}

/** What the agent offers to a starting service. */
export interface ServiceHost {
  exec(context: ServiceContext, spec: ExecSpec): RunningService
  /** A service of this node as it is now; null when it does not run. */
  sibling(name: ServiceName): ServiceView | null
  /** Where the console's code comes from. */
  readonly bundles: BundleSource
  /** For a service that is a part of the agent's own process. Its view is asked for whenever it says `changed`. */
  changed(): void
}

export interface Service {
  readonly name: ServiceName
  readonly uses: readonly ConfigPart[]
  assess(context: ServiceContext): Assessment
  start(context: ServiceContext, host: ServiceHost): RunningService
}

const MiB = 1024 * 1024

/** A service that is a child process of ours; `assess` may be left out when it can always run. */
export function execService(definition: {
  readonly name: ServiceName
  readonly uses: readonly ConfigPart[]
  readonly assess?: (context: ServiceContext) => Assessment
  readonly nice?: number
  readonly rssMaxMiB?: number
  readonly toolsMaxMiB?: number
  readonly heapMaxMiB?: number
}): Service {
  return {
    name: definition.name,
    uses: definition.uses,
    assess: definition.assess ?? (() => ({ canRun: true })),
    start: (context, host) =>
      host.exec(context, {
        nice: definition.nice ?? 0,
        rssMaxBytes: (definition.rssMaxMiB ?? 512) * MiB,
        ...(definition.toolsMaxMiB === undefined ? {} : { toolsMaxBytes: definition.toolsMaxMiB * MiB }),
        heapMaxMiB: definition.heapMaxMiB ?? 256,
      }),
  }
}

/** A service inside the agent's process that is up as long as the agent is. */
export function inProcessService(name: ServiceName, reason: (context: ServiceContext) => string): Service {
  return {
    name,
    uses: [],
    assess: () => ({ canRun: true }),
    start: (context) => ({
      view: () => ({ state: 'running', reason: reason(context), restarts: 0, url: null, status: null, failedStarts: 0 }),
      command: () => Promise.reject(new Error(`${name} takes no commands`)),
      setPeers: () => {},
      stop: () => Promise.resolve(),
    }),
  }
}
