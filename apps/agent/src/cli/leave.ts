import { parseArgs } from 'node:util'
import { ThatdamError } from '@thatdam/protocol/errors'
import { LocalState } from '@thatdam/protocol/local'
import type { CliCommand } from './context.ts'
import { askAgent } from './local-client.ts'
import { askYesOrNo } from './prompt.ts'

const HELP = `thatdam leave: this machine leaves its ring and goes on by itself, with all that is on its disks.

  --yes    does not ask first`

export const run: CliCommand = async (argv, context) => {
  const { values } = parseArgs({ args: [...argv], options: { yes: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } } })
  if (values.help) {
    context.out(HELP)
    return 0
  }
  const { stateDir } = context.env
  const { node, members } = LocalState.parse(await askAgent(stateDir, 'GET', '/local/state'))
  const others = members.filter(({ self }) => !self).map(({ nodeId }) => nodeId)
  if (others.length === 0) throw new ThatdamError('CONFLICT', 'This machine is the only one of its ring: there is nothing to leave.')
  const question = `Leave the ring of ${others.join(', ')}? They stop keeping copies for this machine, and it for them.`
  if (!values.yes && (await askYesOrNo(context, question)) !== true) {
    context.out('Nothing was changed.')
    return 1
  }
  await askAgent(stateDir, 'POST', `/local/members/${node.nodeId}/remove`, {})
  context.out('This machine left the ring. Everything on its disks stays. To come back, it has to be let in again.')
  return 0
}
