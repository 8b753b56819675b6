import { median, round, type Bench } from './contract.ts'
import {
  AGENT_ENVIRONMENT,
  AGENT_FLAGS,
  agentFile,
  end,
  excludeChildServices,
  registerIdleAgent,
  requireAgentBuild,
  start,
  startFakeCloud,
  temporaryDirectory,
} from './support.ts'

const LIMIT_RATIO = 2

/** From the start of the process to the arrival of its first held poll; beside it a bare Node that makes one request and does nothing else. */
export const agentStart: Bench = {
  name: 'agent-start',
  about: 'process start to first poll at the cloud, beside a bare Node that makes one request (ratio ≤ 2)',
  async run({ quick, say }) {
    requireAgentBuild()
    const directory = temporaryDirectory()
    const cloud = await startFakeCloud()
    const ours: number[] = []
    const bare: number[] = []
    try {
      const state = `${directory.path}/state`
      const environment = await registerIdleAgent(process.execPath, state, cloud)
      const first = start(process.execPath, [...AGENT_FLAGS, agentFile, 'run'], environment)
      await excludeChildServices(state, first)
      await end(first)
      for (let sample = 0; sample < (quick ? 5 : 15); sample++) {
        const agentMs = await timed(cloud.nextRequest('/agent/v1/poll'), [...AGENT_FLAGS, agentFile, 'run'], environment)
        const script = `require('node:http').get('${cloud.url}/bare', (answer) => answer.resume())`
        const bareMs = await timed(cloud.nextRequest('/bare'), [...AGENT_FLAGS, '-e', script], AGENT_ENVIRONMENT)
        ours.push(agentMs)
        bare.push(bareMs)
        say(`agent ${round(agentMs, 0)} ms, bare Node ${round(bareMs, 0)} ms`)
      }
    } finally {
      await cloud.close()
      directory.remove()
    }
    const [agentMs, bareMs] = [median(ours), median(bare)]
    const peer = { name: 'bare Node, one request', value: round(bareMs) }
    return {
      name: 'agent-start',
      unit: 'ms',
      ours: agentMs,
      peer,
      limit: round(bareMs * LIMIT_RATIO),
      ratio: agentMs / bareMs,
      samples: ours.length,
    }
  },
}

async function timed(arrival: Promise<number>, args: readonly string[], environment: Readonly<Record<string, string>>): Promise<number> {
  const startedAt = performance.now()
  const child = start(process.execPath, args, environment)
  const elapsedMs = (await arrival) - startedAt
  await end(child)
  return elapsedMs
}
