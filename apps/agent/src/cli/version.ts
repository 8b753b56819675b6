import { AGENT_VERSION } from '../program.ts'
import type { CliCommand } from './context.ts'

const HELP = 'thatdam version: says which version this is, and on what it runs.'

export const run: CliCommand = (argv, context) => {
  if (argv.includes('--help') || argv.includes('-h')) {
    context.out(HELP)
    return Promise.resolve(0)
  }
  context.out(`thatdam ${AGENT_VERSION} (Node ${process.versions.node}, ${process.platform}-${process.arch})`)
  return Promise.resolve(0)
}
