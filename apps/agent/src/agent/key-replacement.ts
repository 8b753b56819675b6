import { setTimeout as sleep } from 'node:timers/promises'
import { generateKey } from '@thatdam/control/keys'
import { ThatdamError } from '@thatdam/protocol/errors'
import type { NewKey } from '@thatdam/protocol/ring-door'
import type { Log } from '../log.ts'
import { changeIdentity, readIdentity, type Identity } from '../state/identity.ts'
import { introduce } from '../state/key-replacement.ts'
import type { StatePaths } from '../state/paths.ts'
import { readPendingRing } from '../state/pending-ring.ts'
import type { RingHost } from './ring-host.ts'

/** Whoever is in reach hears of the new key before it comes with it; so long at most. The others are shown it later. */
const SPREAD_MS_MAX = 3_000

export interface KeyReplacementPorts {
  readonly host: RingHost
  readonly identity: Identity
  readonly paths: StatePaths
  readonly log: Log
  /** Stops this agent and starts it again, which takes the other steps (state/key-replacement.ts). Left out: nobody can. */
  readonly restart: (() => void) | undefined
}

/** The steps of a key's replacement that the running agent takes, so that the ring misses it for as short as can be. */
export class KeyReplacement {
  private readonly ports: KeyReplacementPorts
  private isBegun = false

  constructor(ports: KeyReplacementPorts) {
    this.ports = ports
  }

  /**
   * A new key, on disk and told to whoever is in reach; it becomes this machine's at `restart`.
   * @throws ThatdamError CONFLICT while this machine waits to be let into a ring, or a replacement is under way.
   */
  async begin(): Promise<NewKey> {
    if (this.isBegun) throw new ThatdamError('CONFLICT', 'This machine’s key is being replaced already. Look again in a few seconds.')
    this.isBegun = true
    try {
      return await this.beginOnce()
    } catch (error) {
      this.isBegun = false
      throw error
    }
  }

  restart(): void {
    this.ports.restart?.()
  }

  private async beginOnce(): Promise<NewKey> {
    const { host, identity, paths, log, restart } = this.ports
    if (restart === undefined)
      throw new ThatdamError('UNAVAILABLE', 'This agent cannot start itself again. Stop it, then run: thatdam rekey')
    await requireNoWaiting(paths)
    const next = (await readIdentity(paths.identity))?.next ?? generateKey()
    await changeIdentity(paths.identity, { ...identity, next })
    await introduce(host.store, identity, next.publicKey)
    log.info('a new key was made for this machine; the agent starts again with it')
    await Promise.race([host.part.spread(), sleep(SPREAD_MS_MAX, undefined, { ref: false })])
    return { publicKey: next.publicKey }
  }
}

/** What a ring was told about a machine that waits for it, its key signed: with another key it would wait in vain. */
export async function requireNoWaiting({ pendingRing }: Pick<StatePaths, 'pendingRing'>): Promise<void> {
  if ((await readPendingRing(pendingRing)) === null) return
  throw new ThatdamError(
    'CONFLICT',
    'This machine waits to be let into a ring with the key that it has. Replace its key when it is in, or after “thatdam unregister”. Nothing was changed.',
  )
}
