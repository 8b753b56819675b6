import { median, round, type Bench } from './contract.ts'
import {
  AGENT_ENVIRONMENT,
  AGENT_FLAGS,
  agentFile,
  end,
  excludeChildServices,
  memoryOf,
  pause,
  processorMs,
  privateNode,
  registerIdleAgent,
  requireAgentBuild,
  start,
  startFakeCloud,
  temporaryDirectory,
} from './support.ts'

const LIMIT_MB = 60
const SETTLE_MS = 15_000
const SAMPLE_MS = 20_000

/** A registered agent that polls, reports and serves its gateway, with one small child service in its plan (media-api, not counted); bare Node waits in a timer beside it. */
export const agentMemory: Bench = {
  name: 'agent-memory',
  about: 'idle agent, PSS on a private copy of the Node binary, beside a bare Node with the same flags (limit 60 MB, 25 MB anonymous)',
  async run({ quick, say }) {
    requireAgentBuild()
    if (process.platform !== 'linux') throw new Error('agent-memory reads /proc: it runs on Linux.')
    const directory = temporaryDirectory()
    const cloud = await startFakeCloud()
    const ours: ReturnType<typeof memoryOf>[] = []
    const bare: ReturnType<typeof memoryOf>[] = []
    const percents: number[] = []
    try {
      const agentNode = privateNode(directory.path)
      const environment = await registerIdleAgent(agentNode, `${directory.path}/state`, cloud)
      for (let sample = 0; sample < (quick ? 1 : 5); sample++) {
        const agent = start(agentNode, [...AGENT_FLAGS, agentFile, 'run'], environment)
        await excludeChildServices(`${directory.path}/state`, agent)
        await pause(SETTLE_MS)
        const pid = agent.pid ?? 0
        const beforeMs = processorMs(pid)
        await pause(SAMPLE_MS)
        percents.push(((processorMs(pid) - beforeMs) / SAMPLE_MS) * 100)
        ours.push(memoryOf(pid))
        await end(agent)
        const idle = start(agentNode, [...AGENT_FLAGS, '-e', 'setInterval(() => {}, 1e6)'], AGENT_ENVIRONMENT)
        await pause(3000)
        bare.push(memoryOf(idle.pid ?? 0))
        await end(idle)
        const last = ours.at(-1)
        say(
          `agent ${round(last?.pssMb ?? 0, 1)} MB PSS, ${round(last?.anonymousMb ?? 0, 1)} MB anonymous, ${round(percents.at(-1) ?? 0)} % of a core; bare Node ${round(bare.at(-1)?.pssMb ?? 0, 1)} MB`,
        )
      }
    } finally {
      await cloud.close()
      directory.remove()
    }
    const pss = median(ours.map((one) => one.pssMb))
    const barePss = median(bare.map((one) => one.pssMb))
    return {
      name: 'agent-memory',
      unit: 'MB PSS',
      ours: pss,
      peer: { name: 'bare Node, same flags', value: round(barePss) },
      limit: LIMIT_MB,
      ratio: pss / barePss,
      samples: ours.length,
      more: {
        'PSS with the binary shared with media-api, as the kernel counts it': round(median(ours.map((one) => one.sharedPssMb))),
        'anonymous MB': round(median(ours.map((one) => one.anonymousMb))),
        '% of a core, alone in its ring': round(median(percents)),
        'anonymous MB of bare Node': round(median(bare.map((one) => one.anonymousMb))),
      },
    }
  },
}
