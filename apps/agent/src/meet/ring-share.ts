import { verifySignature } from '@thatdam/control/keys'
import { homeOf } from '@thatdam/control/ring-meet'
import { openRecords } from '@thatdam/control/roster-sync'
import { ThatdamError } from '@thatdam/protocol/errors'
import { type FormerRing, FORMERS_MAX, FormersAnswer, type FormersRequest } from '@thatdam/protocol/ring-meet'
import type { RingHost } from '../agent/ring-host.ts'
import { sleep } from '../backoff.ts'
import type { Log } from '../log.ts'
import { Version } from '../state/version.ts'
import type { Formers } from './formers.ts'
import type { OwnerProofs } from './owner-proofs.ts'

const CALL_MS_MAX = 10_000
/** Asked at each change of the roster, and this often; sooner where no admitter answered. */
const [AGAIN_MS, IN_VAIN_MS] = [300_000, 15_000]
/** Changes of the roster within this time, and up to as much again by chance, are one: a large ring does not ask all at once. */
const SETTLE_MS = 1_000

export interface RingSharePorts {
  readonly host: Pick<RingHost, 'store' | 'part'>
  readonly formers: Formers
  readonly proofs: OwnerProofs
  readonly log: Log
  /** There is a proof that was not there. */
  readonly proved: () => void
}

/**
 * Brings what one admitter knows of rings that came over, and of the owner, to every machine of the ring. Taken from admitters alone: who signed
 * as an admitter of a former ring decides what counts, so that no other machine may say which rings these are.
 */
export class RingShare {
  private readonly ports: RingSharePorts
  private readonly wakes = new Version()
  private roster = ''

  constructor(ports: RingSharePorts) {
    this.ports = ports
  }

  /** A loop of the agent. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const { value } = this.wakes
      const isAnswered = await this.round(signal).catch((error: unknown) => {
        if (!(error instanceof ThatdamError)) throw error
        this.ports.log.debug(`what the ring knows of former rings could not be asked for: ${error.message}`)
        return false
      })
      await this.wakes.waitNewer(value, (isAnswered ? AGAIN_MS : IN_VAIN_MS) * (0.8 + Math.random() * 0.4), signal)
      await sleep(SETTLE_MS * (1 + Math.random()), signal)
    }
  }

  /** The roster changed, or something that does not matter here did. */
  ringChanged(): void {
    const { fingerprint, digest } = this.ports.host.store
    const roster = `${fingerprint} ${digest}`
    if (roster === this.roster) return
    this.roster = roster
    this.wakes.bump()
  }

  /** @returns whether an admitter told all that it knows, or there is none to ask. */
  private async round(signal: AbortSignal): Promise<boolean> {
    const { host, proofs, proved } = this.ports
    const { part, store } = host
    const admitters = part.others().filter(({ admitter }) => admitter)
    const awake = admitters.filter(({ nodeId }) => part.awake.has(nodeId))
    const asked = awake[Math.floor(Math.random() * awake.length)]
    if (asked === undefined) return admitters.length === 0
    const seen = new Set<string>()
    for (let count = 0; count <= FORMERS_MAX; count += 1) {
      const held = this.ports.formers.goneOverTo(store.fingerprint).slice(0, FORMERS_MAX)
      const body: FormersRequest = { version: 1, held: held.map(({ fingerprint, digest }) => ({ fingerprint, digest })) }
      const { publicKey } = asked
      const answer = await part.client.call({ publicKey, method: 'POST', path: '/v1/formers', body, timeoutMs: CALL_MS_MAX, signal })
      const { former, proofs: told } = FormersAnswer.parse(answer.body)
      if (await proofs.take(told, store.roster)) proved()
      if (former === null || seen.has(former.fingerprint)) return true
      seen.add(former.fingerprint)
      await this.keep(former)
    }
    return true
  }

  private async keep(former: FormerRing): Promise<void> {
    const { formers, host, log } = this.ports
    const { roster } = openRecords(former.records, former.fingerprint, verifySignature)
    const own = host.store.fingerprint
    const forwardOf = (at: string): string | null => {
      if (at === own) return null
      return at === former.fingerprint ? (roster.forward?.fingerprint ?? null) : formers.forwardOf(at)
    }
    if (former.fingerprint === own || homeOf(former.fingerprint, forwardOf) !== own) return
    await formers.keep(former)
    log.info(`the ring ${roster.clusterId} has come over to this one: what its machines wrote counts here`)
  }
}
