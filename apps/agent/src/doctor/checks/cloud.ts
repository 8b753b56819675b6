import { readCredential } from '../../state/credential.ts'
import { statePaths } from '../../state/paths.ts'
import type { Check } from '../check.ts'
import { fail, ok, reasonOf } from '../finding.ts'
import { askDate } from '../http-date.ts'

const NAME = 'Cloud'

/** Whether the cloud that this machine is registered with answers, and takes it: of a copied disk it takes neither machine. */
export const check: Check = {
  name: NAME,
  limitMs: 5_500,
  run: async ({ env, cloud, agent }) => {
    const credential = await readCredential(statePaths(env.stateDir).credential).catch((error: unknown) => error as Error)
    if (credential instanceof Error) return [fail(NAME, credential.message, 'thatdam unregister, then register again with a new token')]
    if (!cloud) return [ok(NAME, 'Not registered: this machine runs by itself. To join: thatdam register --url ADDRESS --token TOKEN')]
    try {
      await askDate(cloud, { timeoutMs: 4_500, anyCertificate: true })
      if (agent?.cloud.state === 'refused') return [fail(NAME, agent.cloud.reason, 'Look at this machine’s page in the cloud app.')]
      return [ok(NAME, `${cloud.origin} answers.`)]
    } catch (error) {
      return [
        fail(
          NAME,
          `${cloud.origin} does not answer (${reasonOf(error)}). What runs here goes on without it.`,
          `Is it running, and may this machine reach it? Try: curl -I ${cloud.origin}`,
        ),
      ]
    }
  },
}
