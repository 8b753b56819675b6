import type { Quotas } from '@thatdam/protocol/plan'
import type { ExecSpec, RunningService, ServiceContext } from '../services/service.ts'
import { CgroupTree, delegatedFolder, readCgroupFacts } from './exec/cgroup.ts'
import { execRuntime, type ExecOptions } from './exec/runtime.ts'
import type { Runtime } from './runtime.ts'
import { SupervisedService } from './supervised.ts'

export interface RuntimeSettings {
  readonly stateDir: string
  readonly logsDir: string
  readonly environment: NodeJS.ProcessEnv
  readonly groups: ExecOptions['groups']
  readonly log: { info(message: string): void; debug(message: string): void; warn(message: string, error?: unknown): void }
}

/** What the plan applier needs of the chosen runtime. */
export interface RuntimePort {
  readonly exec: (context: ServiceContext, spec: ExecSpec, changed: () => void) => RunningService
  /** The plan's share of the processor for background work. */
  readonly quotas: (quotas: Quotas) => void
  /** After all services were stopped. */
  readonly close: () => Promise<void>
}

/** The runtime for this machine, ready to start services. */
export function chooseRuntime(settings: RuntimeSettings): RuntimePort {
  return runtimePort(makeRuntime(settings), settings.logsDir)
}

export function runtimePort(runtime: Runtime, logsDir: string): RuntimePort {
  return {
    exec: (context, spec, changed) => new SupervisedService({ runtime, context, spec, logsDir, changed }),
    quotas: (quotas) => runtime.quotas(quotas),
    close: () => runtime.close(),
  }
}

function makeRuntime(settings: RuntimeSettings): Runtime {
  const { environment, groups, log } = settings
  const cgroups = openCgroups(settings)
  return execRuntime({ environment, groups, cgroups, log: (message, error) => log.warn(message, error) })
}

/** Null where there are none of ours: a service then has nice, its process group and the watchdog. */
function openCgroups({ stateDir, log }: RuntimeSettings): CgroupTree | null {
  if (process.platform !== 'linux') return null
  try {
    const folder = delegatedFolder(readCgroupFacts())
    const tree = folder === null ? null : CgroupTree.open(folder, stateDir)
    if (tree) log.info(`control groups: ${tree.describes}`)
    return tree
  } catch (error) {
    log.debug(`no control groups: ${String(error)}`)
    return null
  }
}
