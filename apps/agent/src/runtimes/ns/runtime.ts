import { mkdirSync, readFileSync } from 'node:fs'
import { programRoots } from '../../program.ts'
import { deferredLife } from '../deferred-life.ts'
import { descendantRunning } from '../exec/group.ts'
import { applyQuotas, launchChild, programOf, type ExecOptions } from '../exec/runtime.ts'
import { openPaths } from '../open-paths.ts'
import type { Life, LifeRequest, Runtime } from '../runtime.ts'
import { readMounts } from './mounts.ts'
import { findTool } from './probe.ts'
import { sandboxPrefix, stageIn, type SandboxOptions, type Tool } from './sandbox.ts'

/**
 * Services in Linux namespaces of their own (sandbox.ts says what they see). Messages, limits and the end are those of exec. Where no
 * sandbox can be made, they run as plain processes and say so.
 */
export function nsRuntime(options: ExecOptions, stateDir: string): Runtime {
  const inside: ExecOptions = { ...options, environment: { ...options.environment, TMPDIR: '/tmp' } }
  let found: ReturnType<typeof findTool> | null = null
  const launcher = async (request: LifeRequest): Promise<(inner: LifeRequest) => Life> => {
    mkdirSync(stageIn(stateDir), { recursive: true, mode: 0o700 })
    found ??= findTool(stateDir, sandboxOf(stateDir, request))
    const answer = await found
    if ('tool' in answer) return (inner) => launchInside(inside, answer.tool, sandboxOf(stateDir, inner), inner)
    const note = `Runs as a plain process, as no sandbox can be made here (${answer.missing}).`
    return (inner) => {
      inner.onNote(note)
      return launchChild(options, inner, { prefix: [], watched: (pid) => pid })
    }
  }
  return {
    name: 'ns',
    launch: (request) => deferredLife(launcher(request), request),
    quotas: (quotas) => applyQuotas(options, quotas),
    close: () => Promise.resolve(options.cgroups?.close()),
  }
}

function launchInside(options: ExecOptions, tool: Tool, sandbox: SandboxOptions, request: LifeRequest): Life {
  const { nice } = request.spec
  const prefix = [...(nice === 0 ? [] : ['nice', '-n', `${nice}`]), ...sandboxPrefix(tool, sandbox)]
  return launchChild(options, request, { prefix, watched: (pid) => descendantRunning(pid, process.execPath) })
}

function sandboxOf(stateDir: string, request: LifeRequest): SandboxOptions {
  const { config } = request
  const tools = [config.ffmpegPath, config.ffprobePath].filter((path) => path !== null)
  const { getuid, getgid } = process
  const uid = getuid?.() ?? 0
  return {
    paths: openPaths({ config, program: [...programRoots(), process.execPath, programOf(request).cwd, ...tools] }),
    mounts: readMounts(readFileSync('/proc/self/mountinfo', 'utf8')),
    user: uid === 0 ? null : { uid, gid: getgid?.() ?? 0 },
    stage: stageIn(stateDir),
  }
}
