import { AGENT_VERSION } from '../program.ts'
import type { CliCommand } from './context.ts'

export const run: CliCommand = (_argv, context) => {
  context.out(`thatdam ${AGENT_VERSION} (Node ${process.versions.node}, ${process.platform}-${process.arch})`)
  return Promise.resolve(0)
}
