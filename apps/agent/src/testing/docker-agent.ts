// As much of an agent as a test kills: one service in a container.  <socket> <folder>
import { readEnv } from '../env.ts'
import { dockerRuntime } from '../runtimes/docker/runtime.ts'
import { SupervisedService } from '../runtimes/supervised.ts'
import { configOf, FACTS, fixtureSpec, planned, planOf } from './plans.ts'

const [socketPath = '', directory = ''] = process.argv.slice(2)
const runtime = dockerRuntime({
  socketPath,
  image: 'thatdam-runtime',
  agentLabel: '0123abcd',
  environment: readEnv().childEnvironment,
  log: console.error,
})
const one = planned('indexer', { clings: true })
const context = { planned: one, plan: planOf(one).body, config: configOf(one), facts: FACTS }
const service = new SupervisedService({ runtime, context, spec: fixtureSpec, logsDir: `${directory}/killed`, changed: () => {} })
process.on('exit', () => service.view())
