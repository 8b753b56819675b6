import { readJson } from '@thatdam/control/http-io'
import type { Member } from '@thatdam/control/roster'
import { ThatdamError } from '@thatdam/protocol/errors'
import { RosterExchange, RosterExchangeAnswer } from '@thatdam/protocol/roster-sync'
import type { NodeClient } from '../link/client.ts'
import { json, type NodeRoute } from '../link/server.ts'
import { parseBody } from './body.ts'
import type { RosterStore } from './roster-store.ts'

const EXCHANGE_MS_MAX = 5_000
const RECORDS_MAX = 1_000
const BODY_BYTES_MAX = 4 * 1024 * 1024
/** Exchanges at once, and with one member not sooner again than this. */
const AT_ONCE_MAX = 4
const AGAIN_MS = 250

export interface RosterSyncOptions {
  readonly store: RosterStore
  readonly client: () => NodeClient
  readonly log: (message: string, error?: unknown) => void
}

/**
 * Brings two members’ roster records together when they find that they hold different ones: every datagram carries a digest. Asked by either side;
 * one exchange, at most two where both lack something.
 */
export class RosterSync {
  private readonly options: RosterSyncOptions
  private readonly running = new Set<string>()
  private readonly notBefore = new Map<string, number>()

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
        this.notBefore.set(member.nodeId, performance.now() + AGAIN_MS)
        if (this.notBefore.size > 2_048) this.notBefore.clear()
      })
  }

  /** Tells a member all that it may lack; resolves when it has it. */
  async exchange(member: Member): Promise<void> {
    const { store } = this.options
    const first = await this.ask(member, { ids: store.ids(), records: [] })
    await store.merge(first.records)
    if (first.wanted.length === 0) return
    const wanted = new Set(first.wanted)
    const known = new Set(store.ids().filter((id) => !wanted.has(id)))
    await this.ask(member, { records: store.lackedBy(known).slice(0, RECORDS_MAX) })
  }

  route(): NodeRoute {
    return {
      method: 'POST',
      path: '/v1/roster',
      run: async ({ request }) => {
        const asked = parseBody(RosterExchange, await readJson(request, BODY_BYTES_MAX))
        return json(await this.answer(asked))
      },
    }
  }

  private async answer(asked: RosterExchange): Promise<RosterExchangeAnswer> {
    const { store } = this.options
    if (asked.fingerprint !== store.fingerprint) throw new ThatdamError('CONFLICT', 'This machine belongs to another ring.')
    await store.merge(asked.records)
    if (asked.ids === undefined) return { digest: store.digest, records: [], wanted: [] }
    const theirs = new Set(asked.ids)
    const ours = new Set(store.ids())
    return {
      digest: store.digest,
      records: store.lackedBy(theirs).slice(0, RECORDS_MAX),
      wanted: asked.ids.filter((id) => !ours.has(id)).slice(0, RECORDS_MAX),
    }
  }

  private async ask(member: Member, part: Pick<RosterExchange, 'ids' | 'records'>): Promise<RosterExchangeAnswer> {
    const { store, client } = this.options
    const body: RosterExchange = { fingerprint: store.fingerprint, digest: store.digest, ...part }
    const answer = await client().call({
      publicKey: member.publicKey,
      method: 'POST',
      path: '/v1/roster',
      body,
      timeoutMs: EXCHANGE_MS_MAX,
    })
    return RosterExchangeAnswer.parse(answer.body)
  }
}
