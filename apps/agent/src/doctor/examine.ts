import { SERVICE } from '@thatdam/discovery/mdns/records'
import { survey } from '@thatdam/discovery/survey'
import { NODE_PORT } from '@thatdam/protocol/discovery'
import type { Finding } from '@thatdam/protocol/doctor'
import { readCredential } from '../state/credential.ts'
import { statePaths } from '../state/paths.ts'
import { readAgentPid, readRunningAgent } from './agent-state.ts'
import type { Check, CheckContext, DoctorEnv } from './check.ts'
import { reasonOf, warn } from './finding.ts'
import { type Machine, thisMachine, watched } from './machine.ts'

const AGENT_LIMIT_MS = 1_000
const SURVEY_MS = 1_500

/** What every check needs to know first; whatever cannot be read in time is taken as absent, and the check of that subject says so. */
export async function makeContext(env: DoctorEnv, machine: Machine = thisMachine): Promise<CheckContext> {
  const [running, credential, pid] = await Promise.all([
    within(AGENT_LIMIT_MS, async () => await readRunningAgent(env.stateDir)),
    within(AGENT_LIMIT_MS, async () => await readCredential(statePaths(env.stateDir).credential)),
    within(AGENT_LIMIT_MS, async () => await readAgentPid(env.stateDir)),
  ])
  const agent = running.value ?? null
  const address = credential.value?.url ?? env.cloudUrl
  let looked: ReturnType<CheckContext['lookAround']> | null = null
  return {
    env,
    machine,
    agent,
    agentPid: pid.value ?? null,
    cloud: address ? URL.parse(address) : null,
    consolePort: agent?.facts.reachability.consolePort ?? env.servicePort,
    nodePort: env.node.port || NODE_PORT,
    lookAround: () => (looked ??= survey({ hostName: machine.hostname, service: env.node.mdnsService ?? SERVICE, waitMs: SURVEY_MS })),
  }
}

/**
 * All checks side by side. One that fails or hangs becomes a line of its own at its own deadline, and a tool that had to be ended is named.
 * @param told gets each check's findings as they come, exactly once a check.
 */
export async function examine(
  checks: readonly Check[],
  context: CheckContext,
  told: (check: string, findings: Finding[]) => void,
): Promise<void> {
  await Promise.all(
    checks.map(async (check) => {
      const { machine, cut } = watched(context.machine, performance.now() + check.limitMs - 200)
      const { value, problem } = await within(check.limitMs, async () => await check.run({ ...context, machine }))
      const hung = [...cut].map((tool) => warn(check.name, `${tool} did not answer and was ended.`, `Try it by hand: ${tool}`))
      told(check.name, [...(value ?? [warn(check.name, `Could not be checked (${problem}).`)]), ...hung])
    }),
  )
}

async function within<T>(limitMs: number, work: () => Promise<T>): Promise<{ value?: T; problem: string }> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<{ problem: string }>((resolve) => {
    timer = setTimeout(() => resolve({ problem: `no answer within ${limitMs / 1000} s` }), limitMs)
  })
  const done = work().then(
    (value) => ({ value, problem: '' }),
    (error: unknown) => ({ problem: reasonOf(error) }),
  )
  const outcome = await Promise.race([done, late])
  clearTimeout(timer)
  return outcome
}
