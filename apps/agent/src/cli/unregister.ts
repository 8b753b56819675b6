import { rm } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { fsyncDirectory } from '@thatdam/store/durable'
import { readCredential } from '../state/credential.ts'
import { statePaths } from '../state/paths.ts'
import type { CliCommand } from './context.ts'

const HELP = `thatdam unregister: this machine forgets the cloud it is registered with. Its library, recordings and console stay and go on.
In the cloud app the machine stays in the list as away, until you remove it there.`

export const run: CliCommand = async (argv, context) => {
  const { values } = parseArgs({ args: [...argv], options: { help: { type: 'boolean', short: 'h' } } })
  if (values.help) {
    context.out(HELP)
    return 0
  }
  const paths = statePaths(context.env.stateDir)
  // A damaged credential is forgotten as well: that is what was asked for.
  const known = await readCredential(paths.credential).catch(() => undefined)
  if (known === null) {
    context.out('This machine is not registered with a cloud. Nothing was changed.')
    return 0
  }
  await rm(paths.credential, { force: true })
  await rm(paths.pendingRing, { force: true })
  await fsyncDirectory(paths.stateDir)
  context.out(`Forgot ${known?.url ?? 'the cloud'}. Library, recordings and console stay. Remove the machine in the cloud app too.`)
  return 0
}
