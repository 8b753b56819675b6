import type { Check } from '../check.ts'
import { fail, ok, warn } from '../finding.ts'

const NAME = 'Agent'

/** Whether the agent runs and answers, and whether its parts do. */
export const check: Check = {
  name: NAME,
  limitMs: 2_000,
  run: async ({ agent, agentPid, env, machine }) => {
    if (agent) {
      const failed = agent.plan.services.filter((service) => service.state === 'failed')
      if (failed.length === 0) return [ok(NAME, `Runs as ${agent.node.role}, version ${agent.node.agentVersion}.`)]
      const parts = failed.map((service) => `${service.name} (${service.reason})`).join(', ')
      return [fail(NAME, `The agent runs, but these parts failed: ${parts}.`, `thatdam logs ${failed[0]?.name ?? ''}`)]
    }
    if (agentPid !== null)
      return [
        fail(
          NAME,
          `Process ${agentPid} holds ${env.stateDir} but does not answer: it is starting, or hangs.`,
          `Wait a minute; then restart it (${machine.platform === 'win32' ? `taskkill /F /PID ${agentPid}` : `kill ${agentPid}`}, thatdam run).`,
        ),
      ]
    return [warn(NAME, 'No agent runs on this state directory.', START[machine.platform] ?? START['linux'] ?? null)]
  },
}

const START: Readonly<Partial<Record<NodeJS.Platform, string>>> = {
  linux: 'thatdam run, or start its service: systemctl start thatdam (with --user for a personal installation)',
  darwin: 'thatdam run, or start its job: launchctl kickstart gui/$(id -u)/app.thatdam.thatdam',
  win32: 'thatdam run, or start its task: schtasks /run /tn ThatDAM',
}
