import { type AdoptContext, AdoptDesk, handleAdoptCommit, handleAdoptReveal, handleAdoptStatus } from '@thatdam/control/adopt/desk'
import type { RingEntry } from '@thatdam/control/adopt/ring-side'
import { type Answer, readJson } from '@thatdam/control/http-io'
import { RateLimiter } from '@thatdam/control/rate-limits'
import type { RingAuditEvent } from '@thatdam/control/ring-join-server'
import { AdoptCommitRequest, AdoptRevealRequest } from '@thatdam/protocol/adopt'
import { ThatdamError } from '@thatdam/protocol/errors'
import type { Adoption } from '@thatdam/protocol/ring-door'
import type { NodeCall, NodeRoute } from '../link/server.ts'
import type { Log } from '../log.ts'
import type { Identity } from '../state/identity.ts'
import { Version } from '../state/version.ts'
import { isUnderWay, steadyMs, viewOfEntry } from './adopt-views.ts'
import type { RingHost } from './ring-host.ts'

const BODY_BYTES_MAX = 8 * 1024
/** A machine that was just found asks within two seconds; one whose last try has just ended, a little later. */
const COMES_MS_MAX = 8_000

export interface AdoptDoorPorts {
  readonly host: Pick<RingHost, 'store' | 'part'>
  readonly identity: Identity
  readonly log: Log
  /** This node has an owner. */
  readonly claimed: () => boolean
  /** What `list` tells may have changed. */
  readonly changed: () => void
}

type Handle = (body: unknown, context: AdoptContext) => Promise<Answer>

/** The ring’s side of letting machines in by six digits: they wait here, where this node is an admitter, until the owner opens one. */
export class AdoptDoor {
  private readonly ports: AdoptDoorPorts
  private readonly limiter = new RateLimiter()
  /** Grows with every request, for whoever waits for a machine to come. */
  private readonly asked = new Version()
  /** The key that the connection of each entry’s machine proved: it has to be the one that it shows later, and the one that the owner chose. */
  private readonly keys = new Map<string, string>()
  private current: { readonly fingerprint: string; readonly desk: AdoptDesk } | null = null

  constructor(ports: AdoptDoorPorts) {
    this.ports = ports
  }

  routes(): NodeRoute[] {
    const open = { method: 'POST', open: true } as const
    return [
      { ...open, path: '/v1/adopt/commit', run: (call) => this.commit(call) },
      { ...open, path: '/v1/adopt/reveal', run: (call) => this.reveal(call) },
      { ...open, path: '/v1/adopt/status', run: async (call) => this.answer(call, await bodyOf(call), handleAdoptStatus) },
    ]
  }

  /** Those that the owner opened, the newest first. */
  list(): Adoption[] {
    const nowMs = steadyMs()
    const attemptsLeft = this.desk.attemptsLeft(nowMs)
    const opened = this.desk.entries(nowMs).filter(({ openedAtMs }) => openedAtMs !== null)
    return opened
      .toSorted((a, b) => (b.openedAtMs ?? 0) - (a.openedAtMs ?? 0))
      .flatMap((entry) => {
        const publicKey = entry.joiner?.nodeKey ?? this.keys.get(entry.id)
        return publicKey === undefined ? [] : [viewOfEntry(entry, { publicKey, attemptsLeft, nowMs })]
      })
  }

  /** Those that wait to be opened, by the keys that their connections proved. */
  asking(): { readonly publicKey: string; readonly nodeId: string; readonly address: string; readonly heardAgoMs: number }[] {
    const nowMs = steadyMs()
    return this.desk.entries(nowMs).flatMap(({ id, nodeId, address, phase, heardAtMs }) => {
      const publicKey = this.keys.get(id)
      return phase !== 'waiting' || publicKey === undefined ? [] : [{ publicKey, nodeId, address, heardAgoMs: nowMs - heardAtMs }]
    })
  }

  /**
   * The owner chose this machine: both sides show digits from here on.
   * @throws ThatdamError FORBIDDEN where this node lets nobody in; NOT_FOUND, CONFLICT when the machine is not there or does not ask; TOO_MANY_REQUESTS.
   */
  async letIn(publicKey: string): Promise<Adoption> {
    this.requireOpen()
    const known = this.list().find((one) => one.publicKey === publicKey && isUnderWay(one))
    if (known !== undefined) return known
    const { id } = await this.waitingEntry(publicKey)
    return await this.say('open', id)
  }

  has(id: string): boolean {
    return this.desk.find(id) !== undefined
  }

  /** The owner’s word. Said again it is harmless. @throws ThatdamError NOT_FOUND, CONFLICT. */
  async say(word: 'open' | 'confirm' | 'cancel', id: string): Promise<Adoption> {
    const before = this.viewOfId(id)
    const isSaid = word === 'confirm' ? /^(confirmed|done)$/ : /^(refused|expired)$/
    if (before !== null && word !== 'open' && isSaid.test(before.state)) return before
    if (before !== null && word === 'confirm' && /^(refused|expired)$/.test(before.state)) throw new ThatdamError('CONFLICT', before.reason)
    await this.desk.say(word, id, this.context('the console'))
    this.tell()
    const after = this.viewOfId(id)
    if (after === null) throw new ThatdamError('NOT_FOUND', 'This machine does not wait any more. Start again on it.')
    return after
  }

  private async commit(call: NodeCall): Promise<Answer> {
    this.requireOpen()
    const publicKey = provedKey(call)
    const body = await bodyOf(call)
    const answer = await this.answer(call, body, handleAdoptCommit)
    const asked = AdoptCommitRequest.safeParse(body)
    const entry = asked.success ? this.desk.byCommitment(asked.data.commitment) : undefined
    if (answer.status === 200 && entry !== undefined && !this.keys.has(entry.id)) this.keys.set(entry.id, publicKey)
    for (const id of this.keys.keys()) if (this.desk.find(id) === undefined) this.keys.delete(id)
    this.asked.bump()
    return answer
  }

  private async reveal(call: NodeCall): Promise<Answer> {
    const body = await bodyOf(call)
    const shown = AdoptRevealRequest.safeParse(body)
    if (shown.success && this.keys.has(shown.data.id) && this.keys.get(shown.data.id) !== shown.data.reveal.nodeKey) {
      throw new ThatdamError('CONFLICT', 'The machine showed another key than the one that it asked with. Start again on it.')
    }
    return await this.answer(call, body, handleAdoptReveal)
  }

  private async answer({ address }: NodeCall, body: unknown, handle: Handle): Promise<Answer> {
    this.requireOpen()
    const answer = await handle(body, this.context(address))
    this.tell()
    return answer
  }

  /** The entry of the machine with this key, which may be about to come. */
  private async waitingEntry(publicKey: string): Promise<RingEntry> {
    const endsAtMs = steadyMs() + COMES_MS_MAX
    for (;;) {
      const { value } = this.asked
      const entry = this.desk.entries(steadyMs()).findLast(({ id, phase }) => phase === 'waiting' && this.keys.get(id) === publicKey)
      if (entry !== undefined) return entry
      const near = this.ports.host.part.discovery.sightingOf([publicKey])
      if (near === null)
        throw new ThatdamError('NOT_FOUND', 'This machine is not near any more. Look whether it runs and is on this network.')
      const leftMs = endsAtMs - steadyMs()
      if (leftMs <= 0 || near.claimed) throw doesNotAsk(near.nodeId, near.claimed)
      await this.asked.waitNewer(value, leftMs, new AbortController().signal)
    }
  }

  private requireOpen(): void {
    const { host, identity, claimed } = this.ports
    if (!claimed()) {
      throw new ThatdamError('FORBIDDEN', 'Nobody owns this machine yet, so it lets nobody in. Set a password in its console first.')
    }
    if (host.store.member(identity.nodeId)?.admitter === true) return
    throw new ThatdamError('FORBIDDEN', 'This machine may not let others in. Do it in the console of the machine that leads.')
  }

  /** Of the ring that this node is in now: what waited at another one does not wait at this. */
  private get desk(): AdoptDesk {
    const { fingerprint } = this.ports.host.store
    if (this.current?.fingerprint !== fingerprint) this.current = { fingerprint, desk: new AdoptDesk() }
    return this.current.desk
  }

  private viewOfId(id: string): Adoption | null {
    return this.list().find((one) => one.id === id) ?? null
  }

  private tell(): void {
    this.asked.bump()
    this.ports.changed()
  }

  private context(address: string): AdoptContext {
    const { host, identity } = this.ports
    return {
      node: identity.key,
      nodeId: identity.nodeId,
      ring: host.store.keeper,
      desk: this.desk,
      limiter: this.limiter,
      audit: (event) => this.heed(event),
      address,
      nowMs: steadyMs(),
    }
  }

  private heed({ kind, nodeId, address, detail }: RingAuditEvent): void {
    const { host, log } = this.ports
    log.info(`${kind}: ${nodeId ?? 'somebody'} from ${address}, ${detail}`)
    if (kind === 'ring.adopted') void host.part.spread()
  }
}

const bodyOf = ({ request }: NodeCall): Promise<unknown> => readJson(request, BODY_BYTES_MAX)

function provedKey({ peer }: NodeCall): string {
  if (peer !== null) return peer.publicKey
  throw new ThatdamError('BAD_REQUEST', 'A machine asks with its own certificate. Update the agent on the joining machine.')
}

function doesNotAsk(nodeId: string, isClaimed: boolean): ThatdamError {
  return new ThatdamError(
    'CONFLICT',
    isClaimed
      ? `${nodeId} has an owner already. Remove it from its ring, or unregister it there, then let it in.`
      : `${nodeId} is near, but does not ask to be let in. Look on it with “thatdam doctor” whether it reaches this machine, then try again.`,
  )
}
