import type { Env } from '../env.ts'
import { checkCloud } from './cloud.ts'
import { checkDisk, checkIndexPaths } from './disk.ts'
import { type Finding, reasonOf, warn } from './finding.ts'
import { checkCameras, checkFfmpeg, checkPerl } from './media.ts'
import { checkConsolePort, checkNodePort } from './ports.ts'
import { checkAgent, checkIdentity, checkStateDir, readRunningAgent } from './state.ts'

const CHECK_LIMIT_MS = 7_000
const NODE_PORT = 7700

/** All checks side by side; one that hangs becomes a line of its own after 7 s, so that the whole stays under 10 s. Nothing is changed. */
export async function examine(
  env: Pick<Env, 'stateDir' | 'casRoot' | 'indexPaths' | 'cloudUrl' | 'servicePort' | 'ffmpegPath'>,
): Promise<Finding[]> {
  const running = await limited('Agent', async () => await readRunningAgent(env.stateDir), 2_000)
  const state = running.value ?? null
  const indexPaths = state?.settings.indexPaths ?? env.indexPaths ?? []
  const port = state?.facts.reachability.consolePort ?? env.servicePort
  const checks: readonly [string, () => Promise<Finding[]>][] = [
    ['State directory', async () => [await checkStateDir(env.stateDir)]],
    ['Identity', async () => [await checkIdentity(env.stateDir)]],
    ['Agent', async () => [checkAgent(env.stateDir, state)]],
    ['Cloud', async () => await checkCloud(env.stateDir, env.cloudUrl)],
    ['Ports', async () => [await checkConsolePort(port, state?.node.nodeId ?? null), await checkNodePort(NODE_PORT, state !== null)]],
    ['Disk', async () => await checkDisk(env.casRoot)],
    ['ffmpeg', async () => await checkFfmpeg(env.ffmpegPath)],
    ['Cameras', async () => await checkCameras()],
    ['Index', async () => await checkIndexPaths(indexPaths, env.casRoot)],
    ['Perl', async () => await checkPerl()],
  ]
  const found = await Promise.all(
    checks.map(async ([name, check]) => {
      const { value, problem } = await limited(name, check, CHECK_LIMIT_MS)
      return value ?? [warn(name, problem)]
    }),
  )
  return found.flat()
}

async function limited<T>(name: string, work: () => Promise<T>, limitMs: number): Promise<{ value?: T; problem: string }> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<{ problem: string }>((resolve) => {
    timer = setTimeout(() => resolve({ problem: `${name} could not be checked within ${limitMs / 1000} s.` }), limitMs)
  })
  const done = work().then(
    (value) => ({ value, problem: '' }),
    (error: unknown) => ({ problem: `${name} could not be checked (${reasonOf(error)}).` }),
  )
  const outcome = await Promise.race([done, late])
  clearTimeout(timer)
  return outcome
}
