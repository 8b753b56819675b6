import { parseArgs } from 'node:util'
import { LocalState } from '@thatdam/protocol/local'
import type { CliCommand } from './context.ts'
import { askAgent } from './local-client.ts'

const HELP = `thatdam members: the machines of this ring, as this machine sees them.`

export const run: CliCommand = async (argv, context) => {
  const { values } = parseArgs({ args: [...argv], options: { help: { type: 'boolean', short: 'h' } } })
  if (values.help) {
    context.out(HELP)
    return 0
  }
  const { members } = LocalState.parse(await askAgent(context.env.stateDir, 'GET', '/local/state'))
  for (const { nodeId, name, role, self, awake, standby, admitter, lastContactMs } of members) {
    const seen = lastContactMs ? `, heard ${new Date(lastContactMs).toISOString().slice(0, 16).replace('T', ' ')} UTC` : ''
    const words = [
      awake ? (role === 'leader' ? 'leads' : 'awake') : `away${seen}`,
      ...(standby ? ['stands by'] : []),
      ...(admitter ? ['lets machines in'] : []),
      ...(self ? ['this machine'] : []),
    ]
    context.out(`${nodeId.padEnd(24)} ${name === nodeId ? '' : `${name}: `}${words.join(', ')}`)
  }
  return 0
}
