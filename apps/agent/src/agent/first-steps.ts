import type { Env } from '../env.ts'
import type { Log } from '../log.ts'
import { Loops } from '../loops/supervisor.ts'
import { openIdentity, type Identity } from '../state/identity.ts'
import { settleKey } from '../state/key-replacement.ts'
import { takeLock, type Lock } from '../state/lock.ts'
import { makeStateDir, statePaths, type StatePaths } from '../state/paths.ts'
import { Version } from '../state/version.ts'
import { CloudLink, type CloudLinkPorts, type CloudRing } from './cloud-link.ts'

/** What the agent does for the cloud's loops once it is up. */
export type CloudHost = Pick<CloudLinkPorts, 'report' | 'onSettings' | 'onReported' | 'runCommand'> & { readonly ring?: CloudRing }

/** What was taken and begun before the rest of the agent was loaded. Whoever has it stops the loops and releases the lock. */
export interface FirstSteps {
  readonly paths: StatePaths
  readonly lock: Lock
  readonly identity: Identity
  readonly version: Version
  readonly loops: Loops
  readonly link: CloudLink
  /** From here on what the cloud says is done; before, it waits. */
  attach(host: CloudHost): void
  /** Ends the waiting without a host: the start failed, or the agent stops. */
  giveUp(): void
}

/**
 * Lock, identity and the first poll: the cloud knows of a machine's start before its databases, gateway and services are even loaded. So this
 * file imports none of those, and its caller loads them afterwards.
 * @throws ThatdamError for what a person must repair: a second agent, a damaged identity.
 */
export async function takeFirstSteps({ env, log }: { env: Env; log: Log }): Promise<FirstSteps> {
  makeStateDir(env.stateDir)
  const paths = statePaths(env.stateDir)
  const lock = takeLock(paths)
  const ready = Promise.withResolvers<CloudHost | null>()
  try {
    const identity = await settleKey(paths, await openIdentity(paths.identity, { nodeId: env.nodeId }), (sentence) => log.info(sentence))
    const version = new Version()
    const loops = new Loops(log)
    let host: CloudHost | null = null
    const link = new CloudLink({
      credentialPath: paths.credential,
      pendingRingPath: paths.pendingRing,
      cloudUrl: env.cloudUrl,
      identity,
      version,
      log,
      ready: ready.promise,
      ring: () => host?.ring ?? null,
      report: (results) => mustHave(host).report(results),
      onSettings: async (...settings) => await (await ready.promise)?.onSettings(...settings),
      onReported: async (...reported) => await (await ready.promise)?.onReported(...reported),
      runCommand: async (command, signal) => (await (await ready.promise)?.runCommand(command, signal)) ?? 'The agent is stopping.',
    })
    loops.start('cloud', (signal) => link.run(signal))
    await link.firstPoll()
    const attach = (given: CloudHost): void => {
      host = given
      ready.resolve(given)
    }
    return { paths, lock, identity, version, loops, link, attach, giveUp: () => ready.resolve(null) }
  } catch (error) {
    lock.release()
    throw error
  }
}

function mustHave(host: CloudHost | null): CloudHost {
  if (!host) throw new Error('a report was asked for before the agent was up')
  return host
}
