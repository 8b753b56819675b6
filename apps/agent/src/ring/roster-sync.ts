import { readJson } from '@thatdam/control/http-io'
import type { Member } from '@thatdam/control/roster'
import { idsOf, missing, recordId } from '@thatdam/control/roster-sync'
import { Buckets } from '@thatdam/discovery/rates'
import { ThatdamError } from '@thatdam/protocol/errors'
import { RosterExchange, RosterExchangeAnswer, SYNC_RECORDS_MAX } from '@thatdam/protocol/roster-sync'
import type { NodeClient } from '../link/client.ts'
import { json, type NodePeer, type NodeRoute } from '../link/server.ts'
import { parseBody } from './body.ts'
import type { RosterStore } from './roster-store.ts'

const EXCHANGE_MS_MAX = 5_000
const BODY_BYTES_MAX = 8 * 1024 * 1024
/** Of who is no member any more: its records count no more, and all ids that there may be are 350 KB. */
const FORMER_BYTES_MAX = 400 * 1024
/** With one such key, which its connection proves and nobody can make up: each question is compared with all records. */
const FORMER_ASKED = { perSecond: 0.2, burst: 5, keysMax: 256 }
/** Exchanges at once, and with one member not sooner again than this. */
const AT_ONCE_MAX = 4
const AGAIN_MS = 250
const REMEMBERED_MAX = 2_048

export interface RosterSyncOptions {
  readonly store: RosterStore
  readonly client: () => NodeClient
  readonly log: (message: string, error?: unknown) => void
}

/**
 * Brings two members’ roster records together when they find that they hold different ones: every datagram carries a digest. Asked by either side;
 * where both lack something, what the other one lacks is told in a second step.
 */
export class RosterSync {
  private readonly options: RosterSyncOptions
  private readonly running = new Set<string>()
  private readonly notBefore = new Map<string, number>()
  private readonly formerAsked = new Buckets(FORMER_ASKED)

  constructor(options: RosterSyncOptions) {
    this.options = options
  }

  /** The other member holds other records, or may. Harmless to call often. */
  meet(member: Member): void {
    const nowMs = performance.now()
    if (this.running.has(member.nodeId) || this.running.size >= AT_ONCE_MAX || nowMs < (this.notBefore.get(member.nodeId) ?? 0)) return
    this.running.add(member.nodeId)
    void this.exchange(member)
      .catch((error: unknown) => this.options.log(`the roster could not be compared with ${member.nodeId}`, error))
      .finally(() => {
        this.running.delete(member.nodeId)
        if (this.notBefore.size >= REMEMBERED_MAX) this.notBefore.clear()
        this.notBefore.set(member.nodeId, performance.now() + AGAIN_MS)
      })
  }

  /** Tells a member all that it may lack, and takes what this node lacks; resolves when both are done. */
  async exchange(member: Member): Promise<void> {
    const { store } = this.options
    const first = await this.ask(member, { ids: idsOf(store.keeper.records), records: [] })
    if (first.records.length > 0) await store.merge(first.records)
    if (first.wanted.length === 0) return
    const wanted = new Set(first.wanted)
    await this.ask(member, { ids: null, records: store.keeper.records.filter((record) => wanted.has(recordId(record))) })
  }

  route(): NodeRoute {
    return {
      method: 'POST',
      path: '/v1/roster',
      // A machine that was away when it was removed learns of it here.
      former: true,
      run: async ({ request, peer }) => {
        const isMember = peer !== null && peer.member !== null
        if (!isMember) this.requireFew(peer)
        const exchange = parseBody(RosterExchange, await readJson(request, isMember ? BODY_BYTES_MAX : FORMER_BYTES_MAX))
        return json(await this.answer(exchange, isMember))
      },
    }
  }

  /** Before the body is read: a machine that was put out may be in foreign hands, and ask on and on. */
  private requireFew(former: NodePeer | null): void {
    if (this.formerAsked.take(former?.publicKey ?? '', performance.now())) return
    throw new ThatdamError('TOO_MANY_REQUESTS', 'This machine was removed from the ring, and asks too often why. Try again in a minute.')
  }

  private async answer({ fingerprint, ids, records }: RosterExchange, isMember: boolean): Promise<RosterExchangeAnswer> {
    const { store } = this.options
    if (fingerprint !== store.fingerprint) throw new ThatdamError('CONFLICT', 'This machine belongs to another ring.')
    if (records.length > 0 && isMember) await store.merge(records)
    if (ids === null) return { records: [], wanted: [] }
    const held = new Set(idsOf(store.keeper.records))
    return {
      records: missing(store.keeper.records, ids).slice(0, SYNC_RECORDS_MAX),
      wanted: isMember ? ids.filter((id) => !held.has(id)).slice(0, SYNC_RECORDS_MAX) : [],
    }
  }

  private async ask(member: Member, part: Pick<RosterExchange, 'ids' | 'records'>): Promise<RosterExchangeAnswer> {
    const { store, client } = this.options
    const body: RosterExchange = { fingerprint: store.fingerprint, ...part }
    const { publicKey } = member
    const answer = await client().call({ publicKey, method: 'POST', path: '/v1/roster', body, timeoutMs: EXCHANGE_MS_MAX })
    return RosterExchangeAnswer.parse(answer.body)
  }
}
