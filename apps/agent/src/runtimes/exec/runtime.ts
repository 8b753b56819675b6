import { dirname } from 'node:path'
import type { Quotas } from '@thatdam/protocol/plan'
import { serviceEntry } from '../../program.ts'
import { exitOf } from '../exit.ts'
import { memoryMaxBytes, type Life, type LifeRequest, type Runtime } from '../runtime.ts'
import type { CgroupTree, ServiceCgroup } from './cgroup.ts'
import { Child } from './child.ts'

export interface ExecOptions {
  /** What the child inherits; the agent's own secrets are not in it. */
  readonly environment: NodeJS.ProcessEnv
  /** Keeps the list of process groups on disk. */
  readonly groups: { add(pid: number): void; remove(pid: number): void }
  /** Null: nice, process group and watchdog alone. */
  readonly cgroups: CgroupTree | null
  readonly log: (message: string, error?: unknown) => void
}

/** Where a service's program lies, and how Node runs it. */
export function programOf({ context, spec }: LifeRequest): { readonly cwd: string; readonly args: readonly string[] } {
  const file = spec.entry?.file ?? serviceEntry(context.planned.name)
  return {
    cwd: spec.entry?.cwd ?? dirname(file),
    args: [`--max-old-space-size=${spec.heapMaxMiB}`, '--disable-warning=ExperimentalWarning', file],
  }
}

/** Services as plain child processes of the agent; messages over Node's IPC channel. `note`: why not by the runtime that was asked for. */
export function execRuntime(options: ExecOptions, note = ''): Runtime {
  return {
    name: 'exec',
    launch: (request) => {
      request.onNote(note)
      return launchChild(options, request, { prefix: [], watched: (pid) => pid })
    },
    quotas: (quotas) => applyQuotas(options, quotas),
    close: () => Promise.resolve(options.cgroups?.close()),
  }
}

export function applyQuotas({ cgroups, log }: ExecOptions, quotas: Quotas): void {
  try {
    cgroups?.quotas(quotas)
  } catch (error) {
    log('the share of the processor for background work could not be set', error)
  }
}

/** `prefix`: a command that becomes, or waits for, the one after it; then it also sets the priority, and codes are a shell's. */
export function launchChild(
  options: ExecOptions,
  request: LifeRequest,
  wrap: { readonly prefix: readonly string[]; readonly watched: (pid: number) => number | null },
): Life {
  const { spec, log } = request
  const { cwd, args } = programOf(request)
  const [command = process.execPath, ...rest] = [...wrap.prefix, process.execPath, ...args]
  const child = new Child({
    command,
    args: rest,
    cwd,
    environment: options.environment,
    nice: wrap.prefix.length > 0 ? 0 : spec.nice,
    rssMaxBytes: spec.rssMaxBytes,
    log,
    config: request.config,
    cgroup: makeCgroup(options, request),
    watched: wrap.watched,
    onMessage: request.onMessage,
    onEnd: (end) => {
      if (child.pid !== undefined) options.groups.remove(child.pid)
      request.onEnd(wrap.prefix.length > 0 && end.code !== null ? { ...end, ...exitOf(end.code) } : end)
    },
  })
  if (child.pid !== undefined) options.groups.add(child.pid)
  log.write(`${new Date().toISOString()} the agent started this service as process ${child.pid ?? '(none)'}\n`)
  return child
}

function makeCgroup({ cgroups, log }: ExecOptions, { context, spec }: LifeRequest): ServiceCgroup | null {
  try {
    return cgroups?.make({ name: context.planned.name, memoryMaxBytes: memoryMaxBytes(spec) }) ?? null
  } catch (error) {
    log(`no control group could be made for ${context.planned.name}: it runs without limits of the system`, error)
    return null
  }
}
