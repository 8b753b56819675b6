import { verifySignature } from '@thatdam/control/keys'
import { buildRingMeet, judgeIntroduction, type MeetContext, type MetRing } from '@thatdam/control/ring-meet'
import { buildRingMerge, verifyRingMerge } from '@thatdam/control/ring-merge'
import { idsOf, openRecords } from '@thatdam/control/roster-sync'
import { ThatdamError } from '@thatdam/protocol/errors'
import { RingJoinResponse } from '@thatdam/protocol/ring-join'
import { RingIntroduction, type RingMeetRequest, WayAnswer } from '@thatdam/protocol/ring-meet'
import { ROSTER_RECORDS_MAX, type RosterRecord } from '@thatdam/protocol/roster'
import { RosterExchangeAnswer, SYNC_RECORDS_MAX, type RosterExchange } from '@thatdam/protocol/roster-sync'
import type { RingHost } from '../agent/ring-host.ts'
import type { Identity } from '../state/identity.ts'
import { addressesOf, type NearMachine } from './rings-near.ts'

const CALL_MS_MAX = 5_000
const MERGE_MS_MAX = 20_000

export interface RingCallerPorts {
  readonly host: Pick<RingHost, 'store' | 'part'>
  readonly identity: Identity
  readonly own: () => MeetContext['own']
}

/** What this machine asks those of other rings. Each answer is proven before it is given on. */
export class RingCaller {
  private readonly ports: RingCallerPorts

  constructor(ports: RingCallerPorts) {
    this.ports = ports
  }

  /** @throws ThatdamError UNAVAILABLE; FORBIDDEN when it is no admitter; UNAUTHENTICATED when it proves nothing. */
  async meet(machine: NearMachine, signal: AbortSignal): Promise<{ met: MetRing; introduction: RingIntroduction }> {
    const { host, own } = this.ports
    const sent = buildRingMeet()
    const answer = RingIntroduction.safeParse(await this.call(machine, { path: '/v1/meet', body: sent }, signal))
    if (!answer.success) throw unreadable()
    const introduction = answer.data
    return { met: judgeIntroduction(introduction, sent, { ring: host.store.keeper, own: own() }), introduction }
  }

  /** So that it looks at this ring again. Nobody waits for it. */
  async tellNews(machine: NearMachine, signal: AbortSignal): Promise<void> {
    await this.call(machine, { path: '/v1/meet', body: { ...buildRingMeet(), isNews: true } satisfies RingMeetRequest }, signal)
  }

  /** Records of a ring that this machine belongs to, which say where it has gone over to; none: the other one knows of nothing. */
  async way(machine: NearMachine, fingerprint: string, signal: AbortSignal): Promise<RosterRecord[]> {
    try {
      const answer = WayAnswer.safeParse(await this.call(machine, { path: '/v1/meet/way', body: { version: 1, fingerprint } }, signal))
      return answer.success ? answer.data.records : []
    } catch (error) {
      if (isStranger(error)) return []
      throw error
    }
  }

  /**
   * The roster of a ring that has admitted this machine already: an admitter took in all of its old ring. Null: it has not.
   * @param fingerprint as this machine's own ring's forwarding record says, so that the records prove themselves.
   */
  async rosterAsMember(machine: NearMachine, fingerprint: string, signal: AbortSignal): Promise<RosterRecord[] | null> {
    const records: RosterRecord[] = []
    while (records.length < ROSTER_RECORDS_MAX) {
      const body: RosterExchange = { fingerprint, ids: idsOf(records), records: [] }
      const asked = this.call(machine, { path: '/v1/roster', body }, signal).catch((error: unknown) => {
        if (isStranger(error)) return null
        throw error
      })
      const answer = RosterExchangeAnswer.safeParse(await asked)
      if (!answer.success) return null
      records.push(...answer.data.records)
      if (answer.data.records.length < SYNC_RECORDS_MAX) break
    }
    return this.nameIn(records, fingerprint) === null ? null : records
  }

  /** @throws ThatdamError what the other ring's admitter refuses with. */
  async merge(machine: NearMachine, introduction: RingIntroduction, signal: AbortSignal): Promise<RosterRecord[]> {
    const { host, identity, own } = this.ports
    const { key: node, nodeId } = identity
    const request = buildRingMerge(introduction, { ring: host.store.keeper, node, nodeId, proofs: own().proofs })
    const answer = RingJoinResponse.safeParse(await this.call(machine, { path: '/v1/meet/merge', body: request }, signal))
    if (answer.success) return verifyRingMerge(answer.data, request).records
    throw unreadable()
  }

  /** How this machine is called in the ring of these records; null: it is not in it, or they are no ring. */
  nameIn(records: readonly RosterRecord[], fingerprint: string): string | null {
    try {
      const { roster } = openRecords(records, fingerprint, verifySignature)
      return roster.byKey.get(this.ports.identity.key.publicKey)?.nodeId ?? null
    } catch (error) {
      if (error instanceof RangeError) return null
      throw error
    }
  }

  private async call(machine: NearMachine, { path, body }: { path: string; body: object }, signal: AbortSignal): Promise<unknown> {
    const { publicKey } = machine
    const timeoutMs = path === '/v1/meet/merge' ? MERGE_MS_MAX : CALL_MS_MAX
    const { client } = this.ports.host.part
    return (await client.call({ publicKey, method: 'POST', path, body, timeoutMs, signal }, addressesOf(machine))).body
  }
}

/** It does not know this machine, or is of another ring by now. */
const isStranger = (error: unknown): boolean => error instanceof ThatdamError && /^(UNAUTHENTICATED|NOT_FOUND|CONFLICT)$/.test(error.code)
const unreadable = (): ThatdamError =>
  new ThatdamError('UNPROCESSABLE', 'The other ring’s answer cannot be read. Update the agents on both machines.')
