import fs from 'node:fs'
import { ThatdamError } from '@thatdam/protocol/errors'
import { readIdentity } from '../../state/identity.ts'
import { statePaths } from '../../state/paths.ts'
import type { Check } from '../check.ts'
import { fail, ok, reasonOf, warn } from '../finding.ts'

const NAME = 'Identity'

/** This machine's key: there, whole, and nobody else's to read. */
export const check: Check = {
  name: NAME,
  limitMs: 5_000,
  run: async ({ env, machine }) => {
    const file = statePaths(env.stateDir).identity
    try {
      const identity = await readIdentity(file)
      if (!identity) return [warn(NAME, 'This machine has no identity yet: it gets one at its first start.', 'thatdam run')]
      const mode = (await fs.promises.stat(file)).mode & 0o777
      if (machine.platform !== 'win32' && (mode & 0o077) !== 0)
        return [fail(NAME, `${file} holds this machine’s key and others may read it (mode ${mode.toString(8)}).`, `chmod 600 '${file}'`)]
      if (identity.next !== null)
        return [warn(NAME, 'A new key of this machine waits to be taken up: the agent does it when it starts.', 'thatdam run')]
      return [ok(NAME, `${identity.nodeId}, key readable by its owner only.`)]
    } catch (error) {
      if (error instanceof ThatdamError) return [fail(NAME, error.message, `ls -l '${file}'`)]
      return [fail(NAME, `${file} cannot be read (${reasonOf(error)}).`, `Run as the user who owns ${env.stateDir}.`)]
    }
  },
}
