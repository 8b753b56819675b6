// As much of an agent as the sandbox needs, to be started as any user: runs one service in it, lets it try things, prints what it could.
//   <folder> <JSON of {params, config, attempts}>
import { readEnv } from '../env.ts'
import { nsRuntime } from '../runtimes/ns/runtime.ts'
import { SupervisedService } from '../runtimes/supervised.ts'
import { configOf, FACTS, fixtureSpec, planned, planOf } from './plans.ts'
import { until } from './until.ts'

const [directory = '', given = '{}'] = process.argv.slice(2)
const { params, config, attempts } = JSON.parse(given) as {
  params: Parameters<typeof planned>[1]
  config: Parameters<typeof configOf>[1] & { stateDir: string }
  attempts: Parameters<typeof planned>[1]
}
const groups = { add: () => {}, remove: () => {} }
const runtime = nsRuntime({ environment: readEnv().childEnvironment, groups, cgroups: null, log: console.error }, config.stateDir)
const one = planned('indexer', params)
const context = { planned: one, plan: planOf(one).body, config: configOf(one, config), facts: FACTS }
const service = new SupervisedService({
  runtime,
  context,
  spec: { ...fixtureSpec, nice: 10 },
  logsDir: `${directory}/logs`,
  changed: () => {},
})
await until('it runs', () => service.view().status)
const could = await service.command('try', { ...attempts, kill: [process.pid] })
await service.command('exit', {}).catch(() => {})
const end = service.view().reason
await until('it runs again', () => service.view().status)
const { reason } = service.view()
await service.stop()
console.log(JSON.stringify({ could, end, reason }))
