import { homeOf, type MeetContext, type MetRing } from '@thatdam/control/ring-meet'
import { yieldTo } from '@thatdam/control/ring-merge'
import { verifySignature } from '@thatdam/control/keys'
import { idsOf, missing, openRecords } from '@thatdam/control/roster-sync'
import type { Roster } from '@thatdam/control/roster'
import { ThatdamError } from '@thatdam/protocol/errors'
import type { OtherRingFate } from '@thatdam/protocol/local'
import type { RosterRecord } from '@thatdam/protocol/roster'
import { steadyMs } from '../agent/adopt-views.ts'
import type { RingHost } from '../agent/ring-host.ts'
import type { Log } from '../log.ts'
import type { Identity } from '../state/identity.ts'
import { Version } from '../state/version.ts'
import type { Formers } from './formers.ts'
import { RingCaller } from './ring-caller.ts'
import { type NearMachine, RingsNear } from './rings-near.ts'

const LOOK_MS = 2_000
/** Taken in at once: each costs a signature, and anybody can make some up. Each first part of a roster stands alone; the rest comes the next time. */
const WAY_RECORDS_MAX = 1_000

export interface RingSeekerPorts {
  readonly host: Pick<RingHost, 'store' | 'part' | 'adopt'>
  readonly identity: Identity
  readonly formers: Formers
  readonly own: () => MeetContext['own']
  readonly claimed: () => boolean
  readonly log: Log
  /** What `fateOf` tells has changed. */
  readonly changed: () => void
}

type Outcome = { readonly fate: OtherRingFate; readonly reason: string }

/**
 * Meets the other rings that discovery sees, one at a time:
 *
 *   stays ── same owner, and we yield: an admitter signs that the ring has gone over ─▶ gone over ── let in there ─▶ in the other ring
 *     └── somebody near has that record, signed while this machine was away ──────────────▲
 *
 * Where it stands is in the roster on disk, so a machine that lost its power between two steps goes on with the next one.
 */
export class RingSeeker {
  private readonly ports: RingSeekerPorts
  private readonly caller: RingCaller
  private readonly near = new RingsNear()
  /** Where rings near have gone over to, as their admitters signed. */
  private readonly told = new Map<string, string>()
  private readonly wakes = new Version()
  private last: Promise<unknown> = Promise.resolve()

  constructor(ports: RingSeekerPorts) {
    this.ports = ports
    this.caller = new RingCaller(ports)
  }

  /** A loop of the agent. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const { value } = this.wakes
      await this.inTurn(() => this.round(signal))
      await this.wakes.waitNewer(value, LOOK_MS * (0.8 + Math.random() * 0.4), signal)
    }
  }

  /** What this ring can prove, or where it goes, may be other than it was. */
  wake(): void {
    this.near.askAnew()
    this.wakes.bump()
  }

  /** A machine of another ring says that there is news. */
  called(publicKey: string): void {
    if (this.near.called(publicKey, steadyMs())) this.wakes.bump()
  }

  fateOf(fingerprint: string): Outcome {
    return this.near.fateOf(fingerprint)
  }

  /**
   * The owner agrees that this ring goes over to that one.
   * @throws ThatdamError FORBIDDEN where this machine is no admitter; NOT_FOUND when it is not near; CONFLICT when it is not to be gone over to; what the other ring refuses with.
   */
  async consent(fingerprint: string): Promise<void> {
    const { host } = this.ports
    if (!this.isAdmitter()) {
      throw new ThatdamError('FORBIDDEN', 'This machine may not hand its ring over. Do it in the console of one that lets machines in.')
    }
    await this.inTurn(async () => {
      const machine = this.near.bestOf(fingerprint)
      if (machine === null) throw new ThatdamError('NOT_FOUND', 'This ring is not near any more.')
      await this.meet(machine, fingerprint, new AbortController().signal)
    })
    if (host.store.roster.forward?.fingerprint === fingerprint || host.store.fingerprint === fingerprint) return
    throw new ThatdamError(
      'CONFLICT',
      this.fateOf(fingerprint).reason || 'That ring does not prove any more that it is yours. Both go on as they are.',
    )
  }

  private async round(signal: AbortSignal): Promise<void> {
    const { host, claimed } = this.ports
    const nowMs = steadyMs()
    this.look(nowMs)
    if (!claimed()) return
    const { forward } = host.store.roster
    const isGone = forward !== null && this.home(host.store.fingerprint) !== host.store.fingerprint
    const goal = isGone && this.near.bestOf(forward.fingerprint) !== null ? forward.fingerprint : this.near.due(nowMs)
    const machine = goal !== null && this.near.isDue(goal, nowMs) ? this.near.bestOf(goal) : null
    if (machine === null) return
    try {
      await (isGone ? this.goOver(machine, forward, signal) : this.meet(machine, null, signal))
    } catch (error) {
      if (!signal.aborted) this.failed(machine, error, isGone)
    }
  }

  private look(nowMs: number): void {
    const { host } = this.ports
    const { fingerprint } = host.store
    const isOther = (one: NearMachine): boolean =>
      one.claimed && one.fingerprint !== fingerprint && this.home(one.fingerprint) !== fingerprint
    const sightings = host.part.discovery.sightings()
    this.near.see(sightings.filter(isOther), nowMs)
    const seen = new Set(sightings.map((one) => one.fingerprint))
    for (const one of this.told.keys()) if (!seen.has(one)) this.told.delete(one)
  }

  /** Where a ring's machines belong by all that is known here. */
  private home(fingerprint: string): string {
    const { host, formers } = this.ports
    const { forward } = host.store.roster
    return homeOf(fingerprint, (at) =>
      at === host.store.fingerprint ? (forward?.fingerprint ?? null) : (formers.forwardOf(at) ?? this.told.get(at) ?? null),
    )
  }

  private async meet(machine: NearMachine, consent: string | null, signal: AbortSignal): Promise<void> {
    const { host, identity, own, log } = this.ports
    const { store } = host
    if (store.roster.forward === null && (await this.hearTheWay(machine, signal))) return
    if (!this.isAdmitter()) {
      // Another machine of it may know the way.
      this.near.passOver(machine, steadyMs())
      this.settle(machine, { fate: 'apart', reason: '' })
      return
    }
    const met = await this.introducedBy(machine, signal)
    const proof = met.needsConsent ? 'organisation' : 'recovery-key'
    if (met.meeting === 'yield' && !own().proofs.some(({ kind }) => kind === proof)) {
      this.settle(machine, { fate: 'apart', reason: NO_PROOF })
      return
    }
    const record = await yieldTo(store.keeper, identity.key, { met, consent })
    const fate = record === null ? fateOf(met) : 'goes-over'
    const isNews = this.settle(machine, { fate, reason: '' })
    if (fate === 'comes' && isNews) await this.caller.tellNews(machine, signal)
    if (record === null) return
    log.info(`this ring goes over to the ring ${met.ring.clusterId}, which belongs to the same owner`)
    await host.part.spread()
    this.wake()
  }

  /** Of a ring that went over while this machine was away: any machine of the ring that goes on knows it. */
  private async hearTheWay(machine: NearMachine, signal: AbortSignal): Promise<boolean> {
    const { host, log } = this.ports
    const { store } = host
    const records = missing(await this.caller.way(machine, store.fingerprint, signal), idsOf(store.keeper.records))
    if (records.length === 0) return false
    await store.merge(records.slice(0, WAY_RECORDS_MAX))
    if (store.roster.forward === null) return false
    log.info(`this machine’s ring has gone over to the ring ${store.roster.forward.clusterId} while it was away`)
    this.wake()
    return true
  }

  private async goOver(machine: NearMachine, forward: { clusterId: string; fingerprint: string }, signal: AbortSignal): Promise<void> {
    const isThere = machine.fingerprint === forward.fingerprint
    // Where no machine of that ring is left it has gone over too, and its records lead on.
    const records = isThere ? await this.letIn(machine, signal) : await this.caller.way(machine, forward.fingerprint, signal)
    const name = this.caller.nameIn(records ?? [], forward.fingerprint)
    if (records !== null && name !== null) await this.enter(records, name)
    else {
      if (!isThere) this.near.passOver(machine, steadyMs())
      this.settle(machine, { fate: isThere ? 'comes' : 'apart', reason: '' })
    }
  }

  /**
   * The roster of the ring that goes on. Whoever can prove whose ring it comes from brings all its machines along, before it goes itself.
   * Null: the two have gone over to each other, and this one goes on.
   */
  private async letIn(machine: NearMachine, signal: AbortSignal): Promise<RosterRecord[] | null> {
    const { host, own } = this.ports
    const { fingerprint, keeper } = host.store
    const known = await this.caller.rosterAsMember(machine, machine.fingerprint, signal)
    const isWhole = known !== null && bringsAll(keeper.roster, known, machine.fingerprint)
    if (isWhole || (known !== null && own().proofs.length === 0)) return known
    const { introduction } = await this.introduce(machine, signal)
    if (this.home(fingerprint) === fingerprint) return null
    try {
      return await this.caller.merge(machine, introduction, signal)
    } catch (error) {
      if (known === null || !(error instanceof ThatdamError) || error.code !== 'UNAUTHENTICATED') throw error
      return known
    }
  }

  private async enter(records: readonly RosterRecord[], name: string): Promise<void> {
    const { host, identity } = this.ports
    if (name !== identity.nodeId) {
      throw new ThatdamError(
        'CONFLICT',
        `In the ring that goes on another machine is called ${identity.nodeId}, so this one stays behind. To bring it over, remove it there and install it anew with another NODE_ID.`,
      )
    }
    await host.adopt(records)
    this.wake()
  }

  private async introducedBy(machine: NearMachine, signal: AbortSignal): Promise<MetRing> {
    return (await this.introduce(machine, signal)).met
  }

  private async introduce(machine: NearMachine, signal: AbortSignal): ReturnType<RingCaller['meet']> {
    const found = await this.caller.meet(machine, signal)
    const { ring, forward } = found.met
    if (forward === null) this.told.delete(ring.fingerprint)
    else this.told.set(ring.fingerprint, forward.fingerprint)
    return found
  }

  private failed(machine: NearMachine, error: unknown, isGone: boolean): void {
    if (!(error instanceof ThatdamError)) throw error
    const before = this.fateOf(machine.fingerprint)
    const isElsewhere = error.code === 'UNAVAILABLE' || error.code === 'FORBIDDEN' || error.code === 'NOT_FOUND'
    // Whoever announces itself as of a ring, and proves nothing, must not keep this machine from those who are.
    this.near.passOver(machine, steadyMs())
    this.ports.log.debug(`the ring of ${machine.nodeId} was asked in vain: ${error.message}`)
    const reason = error.code === 'UNAUTHENTICATED' ? NOT_LET_IN : error.message
    this.settle(machine, isGone && !isElsewhere ? { fate: 'goes-over', reason } : before)
  }

  /** @returns whether it is another outcome than before. */
  private settle({ fingerprint, nodeId }: NearMachine, outcome: Outcome): boolean {
    if (!this.near.settle(fingerprint, outcome, steadyMs())) return false
    if (outcome.reason !== '') this.ports.log.warn(`the ring of ${nodeId}: ${outcome.reason}`)
    this.ports.changed()
    return true
  }

  private isAdmitter(): boolean {
    const { host, identity } = this.ports
    return host.store.member(identity.nodeId)?.admitter === true
  }

  private inTurn(run: () => Promise<void>): Promise<void> {
    const next = this.last.then(run)
    this.last = next.catch(() => {})
    return next
  }
}

/** Are all machines of this ring known in the other one, those too that were put out there since? */
function bringsAll({ byKey }: Roster, records: readonly RosterRecord[], fingerprint: string): boolean {
  const there = openRecords(records, fingerprint, verifySignature).roster.signers
  const keys = new Set([...there.values()].flatMap((signers) => [...signers.keys()]))
  return [...byKey.keys()].every((key) => keys.has(key))
}

const NO_PROOF =
  'It belongs to you, and this machine cannot prove that its own ring does. Type the printed recovery key here: in Settings, or with “thatdam recovery-key use”.'
const NOT_LET_IN =
  'This ring has gone over to that one, which does not let this machine in: it cannot prove there whose it is. Type the printed recovery key on a machine of either ring; or take this machine out of its ring (thatdam leave), and let it into the other one.'

function fateOf({ meeting, needsConsent, forward }: MetRing): OtherRingFate {
  if (meeting === 'go-on') return 'comes'
  if (meeting !== 'yield' || forward !== null) return 'apart'
  return needsConsent ? 'asks' : 'goes-over'
}
