import { createHash } from 'node:crypto'
import type { Quotas } from '@thatdam/protocol/plan'
import type { Env } from '../env.ts'
import type { ExecSpec, RunningService, ServiceContext } from '../services/service.ts'
import { dockerRuntime } from './docker/runtime.ts'
import { CgroupTree, delegatedFolder, readCgroupFacts } from './exec/cgroup.ts'
import { execRuntime, type ExecOptions } from './exec/runtime.ts'
import { nsRuntime } from './ns/runtime.ts'
import type { Runtime } from './runtime.ts'
import { SupervisedService } from './supervised.ts'

export interface RuntimeSettings {
  readonly env: Pick<Env, 'stateDir' | 'runtime' | 'runtimeImage' | 'dockerSocket' | 'childEnvironment'>
  readonly logsDir: string
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
  const { env, groups } = settings
  const log = (message: string, error?: unknown) => settings.log.warn(message, error)
  const environment = env.childEnvironment
  const exec: ExecOptions = { environment, groups, cgroups: openCgroups(settings), log }
  if (env.runtime === 'exec') return execRuntime(exec)
  // Containers too run the program of this machine.
  if (process.platform !== 'linux') return execRuntime(exec, `Runs as a plain process: RUNTIME=${env.runtime} needs Linux.`)
  if (env.runtime === 'ns') return nsRuntime(exec, env.stateDir)
  const { dockerSocket: socketPath, runtimeImage: image } = env
  return dockerRuntime({ socketPath, image, agentLabel: agentLabel(env.stateDir), environment, log })
}

/** Null where there are none of ours: a service then has nice, its process group and the watchdog. */
function openCgroups({ env, log }: RuntimeSettings): CgroupTree | null {
  if (process.platform !== 'linux') return null
  try {
    const facts = readCgroupFacts()
    const folder = delegatedFolder(facts)
    if (folder === null) return null
    const tree = CgroupTree.open(folder, `thatdam-${agentLabel(env.stateDir)}`)
    // Without systemd nobody takes away the groups of an agent that was killed: only limits are worth that.
    if (!facts.systemd && !tree.limits) {
      tree.close()
      return null
    }
    log.info(`control groups: ${tree.describes}`)
    return tree
  } catch (error) {
    log.debug(`no control groups: ${String(error)}`)
    return null
  }
}

/** Tells this agent's containers and groups from those of another one on the same machine. */
const agentLabel = (stateDir: string): string => createHash('sha256').update(stateDir).digest('hex').slice(0, 8)
