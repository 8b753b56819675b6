import { stat } from 'node:fs/promises'
import { isDeepStrictEqual } from 'node:util'
import type { ExpectedIntent } from '@thatdam/control/join-intent'
import type { JoinIntent, PendingRing, RingPlace } from '@thatdam/protocol/join'
import type { Command, ReportRequest, RingNews } from '@thatdam/protocol/poll'
import type { NodeSettings } from '@thatdam/protocol/settings'
import { sleep } from '../backoff.ts'
import { Cloud, type CloudState } from '../cloud/cloud.ts'
import { meetAtCloud } from '../cloud/rendezvous.ts'
import { RingRelay, type OwnRing, type RelayedRing } from '../cloud/ring-relay.ts'
import type { Log } from '../log.ts'
import { pollLoop } from '../loops/poll.ts'
import { renewLoop } from '../loops/renew.ts'
import { reportLoop } from '../loops/report.ts'
import { Loops } from '../loops/supervisor.ts'
import { readCredential, type Credential } from '../state/credential.ts'
import type { Identity } from '../state/identity.ts'
import { forgetPendingRing, readPendingRing, writePendingRing } from '../state/pending-ring.ts'
import type { Version } from '../state/version.ts'

/** `thatdam register` and `unregister` write the credential beside a running agent, which looks this often. */
const LOOK_INTERVAL_MS = 1_000
const RESULTS_MAX = 8
/** The start waits at most so long for its first poll to leave. */
const FIRST_POLL_MS = 150
const COMMANDS_REMEMBERED = 256
const SAME_SENTENCE_AFTER_MS = 600_000
const APART =
  'This machine is in a ring with other machines, and its organisation in the cloud has another ring: both go on as they are. Take this machine out of its ring first if it is to come into the other one.'

/** The ring's side of the cloud's loops. */
export interface CloudRing {
  /** The ring that this machine is in now. Its records that the cloud lacks are uploaded; call `version.bump` when it changed. */
  readonly own: () => OwnRing
  /**
   * Machines that wait to be let in, all of them each time, and who may vouch for them: `judgeJoinIntent` says what an admitter does. Told to members
   * that may not admit as well; `CloudLink.joinIntents` has the newest for one that becomes an admitter later.
   */
  readonly onJoinIntents: (intents: readonly JoinIntent[], cloud: Omit<ExpectedIntent, 'genesisHash'>) => Promise<void>
  /** Records of this machine's ring, or of one that it waits for and that admitted it: to be verified, and adopted. Rejects: told again. */
  readonly onRosterRecords: (ring: RelayedRing) => Promise<void>
}

export interface CloudLinkPorts {
  readonly credentialPath: string
  readonly pendingRingPath: string
  /** CLOUD_CONTROL_URL: where the same cloud answers now, when its address has moved since the registration. */
  readonly cloudUrl: string | null
  readonly identity: Identity
  readonly version: Version
  readonly log: Log
  /** The agent has facts and a plan to report. */
  readonly ready: Promise<unknown>
  readonly report: (results: ReportRequest['commandResults']) => ReportRequest
  readonly onSettings: (cloud: string, revision: number, value: NodeSettings) => Promise<void>
  readonly onReported: (cloud: string, value: NodeSettings) => Promise<void>
  /** Null before the agent is up, and where it takes no part: it then confirms no ring, lets nobody in and is let in nowhere by the cloud. */
  readonly ring: () => CloudRing | null
  /** Text for the person on the cloud's page. */
  readonly runCommand: (command: Command, signal: AbortSignal) => Promise<string>
}

/** The loops towards the cloud that this machine is registered with: they begin and end with the registration. */
export class CloudLink {
  private readonly ports: CloudLinkPorts
  private cloud: Cloud | null = null
  private relay: RingRelay | null = null
  private organisation: { readonly instanceKey: string; readonly organisationId: string } | null = null
  private intents: readonly JoinIntent[] = []
  private loops: Loops | null = null
  private results: { id: string; text: string }[] = []
  private readonly commandsSeen = new Set<string>()
  private readonly polled = Promise.withResolvers<void>()
  private lastFailure = { sentence: '', atMs: 0 }
  /** Why `credential.json` cannot be used; '' while it can, or is not there. */
  private damage = ''

  constructor(ports: CloudLinkPorts) {
    this.ports = ports
  }

  get state(): CloudState {
    return this.cloud?.state ?? { url: null, state: this.damage === '' ? 'none' : 'refused', lastContactMs: null, reason: this.damage }
  }

  get instanceKey(): string | null {
    return this.cloud?.instanceKey ?? null
  }

  /** What the cloud says of this machine, to be shown to rings that meet: its organisation, and its place once it was heard. Null: there is no cloud. */
  get standing(): { instanceKey: string; organisationId: string; place: RingPlace | null } | null {
    return this.organisation && { ...this.organisation, place: this.relay?.place ?? null }
  }

  /** Machines that wait for a ring's admitter, as the cloud said last. */
  get joinIntents(): readonly JoinIntent[] {
    return this.intents
  }

  /**
   * Leaves this machine's announcement with the cloud and brings those of the ring's others: the `exchange` of discovery's method "cloud". Nothing is
   * asked while the owner has not allowed it. Rejects when the cloud does not answer now.
   */
  async exchange(announcement: Uint8Array, ttlMs: number): Promise<{ bytes: Uint8Array; ageMs: number }[]> {
    if (!this.cloud || this.relay?.rendezvous !== true) return []
    return await meetAtCloud(this.cloud, announcement, ttlMs)
  }

  /** Resolves when the first poll has left, there is no cloud to poll, or it takes too long: the heavier part of a start comes after it. */
  async firstPoll(): Promise<void> {
    const timer = setTimeout(() => this.polled.resolve(), FIRST_POLL_MS)
    await this.polled.promise
    clearTimeout(timer)
  }

  /** A loop of the agent: follows the credential file. */
  async run(signal: AbortSignal): Promise<void> {
    let seenMs = -1
    let known: Credential['registeredAtMs'] | null = null
    try {
      while (!signal.aborted) {
        const changedMs = await stat(this.ports.credentialPath).then(
          (stats) => stats.mtimeMs,
          () => 0,
        )
        if (changedMs !== seenMs) {
          const credential = await this.read()
          if (credential !== undefined && (credential?.registeredAtMs ?? null) !== known) {
            known = credential?.registeredAtMs ?? null
            await this.follow(credential)
          }
          seenMs = changedMs
        }
        if (!this.cloud) this.polled.resolve()
        await sleep(LOOK_INTERVAL_MS, signal)
      }
    } finally {
      await this.loops?.stop()
    }
  }

  /** Undefined: the file is damaged. It stays as it is, what runs goes on, and the next change of it is looked at. */
  private async read(): Promise<Credential | null | undefined> {
    const { credentialPath, log, version } = this.ports
    try {
      const credential = await readCredential(credentialPath)
      this.damage = ''
      return credential
    } catch (error) {
      this.damage = `This machine’s registration in ${credentialPath} cannot be read. Restore the file from a backup. Or run “thatdam unregister” and register again with the command of “Add machine”: it stays the same machine.`
      log.error(this.damage, error)
      version.bump()
      return undefined
    }
  }

  private async follow(credential: Credential | null): Promise<void> {
    await this.loops?.stop()
    this.loops = null
    this.cloud = null
    this.relay = null
    this.organisation = null
    this.intents = []
    const { ports } = this
    ports.version.bump()
    if (!credential) return
    const changed = () => ports.version.bump()
    const url = ports.cloudUrl ?? credential.url
    const cloud = new Cloud({ credentialPath: ports.credentialPath, identity: ports.identity, credential: { ...credential, url }, changed })
    const loops = new Loops(ports.log)
    const onFailure = (error: unknown) => this.say(error)
    const onCommand = (command: Command) => void this.answer(command, loops.signal)
    const onSettings = (revision: number, value: NodeSettings) => ports.onSettings(cloud.instanceKey, revision, value)
    const { instanceKey, organisation } = credential
    const relay = new RingRelay({ nodeKey: ports.identity.key.publicKey, organisationId: organisation.id, instanceKey })
    const onJoinIntents = (intents: readonly JoinIntent[]) => this.offer(intents, { instanceKey, organisationId: organisation.id })
    this.cloud = cloud
    this.relay = relay
    this.organisation = { instanceKey, organisationId: organisation.id }
    this.loops = loops
    ports.log.info(`registered with ${url} for ${credential.organisation.name}`)
    loops.start('renew', (signal) => renewLoop(cloud, signal))
    const onSent = () => this.polled.resolve()
    const onRing = (news: RingNews) => this.hear(relay, news)
    const relayQuery = () => relay.query
    loops.start('poll', (signal) =>
      pollLoop({ cloud, onSettings, onCommand, relayQuery, onRing, onJoinIntents, onFailure, onSent }, signal),
    )
    loops.start('report', (signal) =>
      reportLoop(
        {
          cloud,
          version: ports.version,
          ready: ports.ready,
          compose: () => this.compose(relay),
          occasion: () => relay.appointedAtMs,
          onTaken: (report) => this.taken(cloud, relay, report),
          onFailure,
        },
        signal,
      ),
    )
  }

  private compose(relay: RingRelay): ReportRequest {
    const own = this.ports.ring()?.own()
    const report = this.ports.report(this.results)
    return own ? { ...report, ring: relay.report(own, Date.now()) } : report
  }

  /** What the cloud relays of the ring. What cannot be taken in now is no failure of the cloud's. */
  private async hear(relay: RingRelay, news: RingNews): Promise<void> {
    const { ports } = this
    await ports.ready
    const ring = ports.ring()
    if (!ring) return
    try {
      const outcome = relay.take(news, ring.own())
      if (outcome.kind === 'forged') ports.log.warn('The cloud told of a ring without its signature; nothing was done about it.')
      if (outcome.kind === 'apart') this.sayOnce(APART)
      if (outcome.kind === 'wait') await this.awaitRing(outcome.pending)
      if (outcome.kind === 'adopt') {
        await ring.onRosterRecords(outcome.ring)
        await forgetPendingRing(ports.pendingRingPath)
      }
      ports.version.bump()
    } catch (error) {
      relay.notTaken()
      ports.log.error('what the cloud relayed of the ring could not be taken in; it is tried again', error)
    }
  }

  private async awaitRing(pending: Omit<PendingRing, 'sinceMs'>): Promise<void> {
    const { pendingRingPath, log } = this.ports
    // A damaged one is written anew: the cloud has just said the same.
    const known = await readPendingRing(pendingRingPath).catch(() => null)
    if (known?.genesisHash === pending.genesisHash && known.appointedAtMs === pending.appointedAtMs) return
    await writePendingRing(pendingRingPath, { ...pending, sinceMs: Date.now() })
    log.info(`waits to be let into the ring ${pending.clusterId}`)
  }

  private async offer(intents: readonly JoinIntent[], cloud: Omit<ExpectedIntent, 'genesisHash'>): Promise<void> {
    this.intents = intents
    if (intents.length === 0) return
    await this.ports.ready
    await this.ports
      .ring()
      ?.onJoinIntents(intents, cloud)
      .catch((error: unknown) => this.ports.log.error('machines that wait could not be let into the ring', error))
  }

  private async taken(cloud: Cloud, relay: RingRelay, report: ReportRequest): Promise<void> {
    relay.reported(report.ring?.records ?? [], Date.now())
    this.results = this.results.filter((result) => !report.commandResults.some((sent) => isDeepStrictEqual(sent, result)))
    await this.ports.onReported(cloud.instanceKey, report.settings.value)
  }

  private async answer(command: Command, signal: AbortSignal): Promise<void> {
    if (this.commandsSeen.has(command.id)) return
    this.commandsSeen.add(command.id)
    if (this.commandsSeen.size > COMMANDS_REMEMBERED) for (const oldest of this.commandsSeen) if (this.commandsSeen.delete(oldest)) break
    const text = await this.ports
      .runCommand(command, signal)
      .catch((error: unknown) => `It failed: ${error instanceof Error ? error.message : String(error)}`)
    this.results = [...this.results, { id: command.id, text: text.slice(-65_536) }].slice(-RESULTS_MAX)
    this.ports.version.bump()
  }

  /** The same sentence again at most every ten minutes: a cloud that is away for days does not fill the log. */
  private say(error: unknown): void {
    const sentence = error instanceof Error ? error.message : String(error)
    this.sayOnce(`The cloud is not reached; this machine goes on by itself. ${sentence}`)
  }

  private sayOnce(sentence: string): void {
    if (sentence === this.lastFailure.sentence && Date.now() - this.lastFailure.atMs < SAME_SENTENCE_AFTER_MS) return
    this.lastFailure = { sentence, atMs: Date.now() }
    this.ports.log.warn(sentence)
  }
}
