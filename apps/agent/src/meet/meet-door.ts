import { randomBytes } from 'node:crypto'
import { type Answer, readJson, STRANGER, tooMany } from '@thatdam/control/http-io'
import { RateLimiter } from '@thatdam/control/rate-limits'
import type { RingAuditEvent } from '@thatdam/control/ring-join-server'
import { handleRingMeet, type MeetContext } from '@thatdam/control/ring-meet'
import { handleRingMerge, type MergeContext } from '@thatdam/control/ring-merge'
import { ThatdamError } from '@thatdam/protocol/errors'
import { FormersRequest, type FormersAnswer, RingMeetRequest, type WayAnswer, WayRequest } from '@thatdam/protocol/ring-meet'
import type { RingHost } from '../agent/ring-host.ts'
import { json, type NodeCall, type NodeRoute } from '../link/server.ts'
import type { Log } from '../log.ts'
import { parseBody } from '../ring/body.ts'
import type { Identity } from '../state/identity.ts'
import type { Formers } from './formers.ts'

const BODY_BYTES_MAX = 8 * 1024
/** All records of a ring of 1,000 and some years. Such a body may come from a stranger: one an address is read, and few at once. */
const MERGE_BYTES_MAX = 2 * 1024 * 1024
const MERGES_MAX = 3

export interface MeetDoorPorts {
  readonly host: Pick<RingHost, 'store' | 'part'>
  readonly identity: Identity
  readonly formers: Formers
  readonly own: () => MeetContext['own']
  /** The machine with this key, of another ring, says that there is news. */
  readonly onNews: (publicKey: string) => void
  readonly log: Log
}

/** What other rings may ask of this machine, and members of rings that have gone over to its own. */
export class MeetDoor {
  private readonly ports: MeetDoorPorts
  private readonly limiter = new RateLimiter()
  private readonly nonceSecret = randomBytes(32)
  private readonly merging = new Set<string>()

  constructor(ports: MeetDoorPorts) {
    this.ports = ports
  }

  /** Of the node API. */
  routes(): NodeRoute[] {
    const open = { method: 'POST', open: true } as const
    return [
      { ...open, path: '/v1/meet', run: (call) => this.meet(call) },
      { ...open, path: '/v1/meet/merge', run: (call) => this.merge(call) },
      { ...open, path: '/v1/meet/way', run: (call) => this.way(call) },
      { method: 'POST', path: '/v1/formers', run: async (call) => json(this.formers(parseBody(FormersRequest, await bodyOf(call)))) },
    ]
  }

  private async meet(call: NodeCall): Promise<Answer> {
    const body = await bodyOf(call)
    const answer = await handleRingMeet(body, this.context(call.address))
    const asked = RingMeetRequest.safeParse(body)
    if (answer.status === 200 && asked.data?.isNews === true && call.peer !== null) this.ports.onNews(call.peer.publicKey)
    return answer
  }

  private async merge({ address, request, peer }: NodeCall): Promise<Answer> {
    const waitSeconds = await this.limiter.blocked(address)
    if (waitSeconds !== null) return tooMany(waitSeconds)
    if (this.merging.has(address) || this.merging.size >= MERGES_MAX) {
      throw new ThatdamError('UNAVAILABLE', 'Other machines come over to this ring just now. It is tried again by itself.')
    }
    this.merging.add(address)
    try {
      const body = await readJson(request, MERGE_BYTES_MAX)
      // Whoever got hold of another machine's request is answered by none of what this ring is.
      if (keyIn(body) !== peer?.publicKey) return STRANGER
      const answer = await handleRingMerge(body, this.context(address))
      if (answer.status < 300) void this.ports.host.part.spread()
      return answer
    } finally {
      this.merging.delete(address)
    }
  }

  /** Its key was proved by the handshake: a machine of the ring that it asks about. */
  private async way(call: NodeCall): Promise<Answer> {
    const waitSeconds = await this.limiter.admit(call.address, { open: true })
    if (waitSeconds !== null) return tooMany(waitSeconds)
    const former = this.ports.formers.of(parseBody(WayRequest, await bodyOf(call)).fingerprint)
    const isItsOwn = call.peer !== null && former?.roster.byKey.has(call.peer.publicKey) === true
    return former?.roster.forward && isItsOwn ? json({ records: former.records } satisfies WayAnswer) : STRANGER
  }

  private formers({ held }: FormersRequest): FormersAnswer {
    const { formers, host, own } = this.ports
    const digests = new Map(held.map(({ fingerprint, digest }) => [fingerprint, digest]))
    const lacked = formers.goneOverTo(host.store.fingerprint).find(({ fingerprint, digest }) => digests.get(fingerprint) !== digest)
    const records = lacked === undefined ? null : formers.of(lacked.fingerprint)?.records
    return {
      former: lacked === undefined || !records ? null : { fingerprint: lacked.fingerprint, records },
      proofs: own().proofs.filter(({ kind }) => kind === 'recovery-key'),
    }
  }

  private context(address: string): MergeContext {
    const { host, identity, formers, own } = this.ports
    return {
      node: identity.key,
      nonceSecret: this.nonceSecret,
      ring: host.store.keeper,
      limiter: this.limiter,
      audit: (event) => this.tell(event),
      address,
      nowMs: Date.now(),
      own: own(),
      keepFormer: (former) => formers.keep(former),
      forwardOf: (fingerprint) => formers.forwardOf(fingerprint),
    }
  }

  private tell({ kind, nodeId, address, detail }: RingAuditEvent): void {
    this.ports.log.info(`${kind}: ${nodeId ?? 'somebody'} from ${address}, ${detail}`)
  }
}

const keyIn = (body: unknown): unknown => (typeof body === 'object' && body !== null && 'nodeKey' in body ? body.nodeKey : null)
const bodyOf = ({ request }: NodeCall): Promise<unknown> => readJson(request, BODY_BYTES_MAX)
