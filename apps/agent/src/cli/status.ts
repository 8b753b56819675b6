import { parseArgs } from 'node:util'
import { LocalState } from '@thatdam/protocol/local'
import type { PlanSelfTest } from '@thatdam/protocol/plan'
import type { CliCommand } from './context.ts'
import { callAgent } from './local-client.ts'

const HELP = `thatdam status: what runs on this machine, and why. Exit code 0 when the agent runs, 3 when it does not.

  --json    the agent's whole state, for programs`

export const run: CliCommand = async (argv, context) => {
  const { values } = parseArgs({ args: [...argv], options: { json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } } })
  if (values.help) {
    context.out(HELP)
    return 0
  }
  const answer = await callAgent(context.env.stateDir, 'GET', '/local/state')
  if (answer === null) {
    if (values.json) context.out('null')
    else context.out(`No agent runs with the state directory ${context.env.stateDir}. Start it with: thatdam run`)
    return 3
  }
  const state = LocalState.parse(answer)
  if (values.json) context.out(JSON.stringify(state, null, 2))
  else for (const line of describe(state)) context.out(line)
  return 0
}

function describe(state: LocalState): string[] {
  const { node, cloud, plan, owner } = state
  const lines = [
    `${state.settings.name} (${node.nodeId}), ${node.role}, version ${node.agentVersion}`,
    `Console   ${owner.consoleUrls.join('  ')}${owner.passwordSet ? '' : '  (only on this machine until a password is set)'}`,
    `Cloud     ${cloud.url === null ? cloud.reason || 'not registered' : `${cloud.url}, ${cloud.state}${cloud.reason === '' ? '' : `: ${cloud.reason}`}`}`,
  ]
  if (plan.rejected) lines.push(`Plan      ${plan.rejected.reason}`)
  if (plan.selfTest) lines.push(...describeSelfTest(plan.selfTest))
  for (const problem of state.settingsProblems) lines.push(`Note      ${problem}`)
  lines.push('')
  for (const service of plan.services) {
    lines.push(`${service.name.padEnd(16)} ${service.state.padEnd(12)} ${service.reason === '' ? service.why : service.reason}`)
  }
  return lines
}

function describeSelfTest({ ok, atMs, failures }: PlanSelfTest): string[] {
  const time = new Date(atMs).toISOString().slice(0, 19).replace('T', ' ')
  if (ok) return [`Self-test passed at ${time} UTC`]
  return failures.map(({ name, reason }) => `Self-test ${name} failed at ${time} UTC: ${reason}`)
}
