import { buildRenewRequest } from '@thatdam/control/access-node'
import { makeNonce, verifyHello } from '@thatdam/control/join'
import type { RelayCursor } from '@thatdam/control/relay'
import { recordHash } from '@thatdam/control/roster'
import { FACTS, reportOf, sampleMachine } from '@thatdam/control/testing/samples'
import { parseToken } from '@thatdam/control/token'
import type { JoinHelloResponse, RenewResponse } from '@thatdam/protocol/join'
import type { PollResponse, ReportRequest } from '@thatdam/protocol/poll'
import type { GenesisRecord, RosterRecord } from '@thatdam/protocol/roster'
import { type Answer, ask } from './browser.ts'

/** A machine that speaks the agent's protocol with its real cryptography, without running anything. */
export class Machine {
  readonly base: string
  readonly from: string | undefined
  readonly self: ReturnType<typeof sampleMachine>
  serverKey = ''
  accessToken = ''
  sequence = 0

  constructor(base: string, nodeId: string, from?: string) {
    this.base = base
    this.from = from
    this.self = sampleMachine(nodeId)
  }

  #post(path: string, body: object, headers: Record<string, string> = {}): Promise<Answer> {
    return ask(this.base, { method: 'POST', path, body, headers, ...(this.from === undefined ? {} : { from: this.from }) })
  }

  /** `ring`: one with others that it is in already. */
  async join(tokenText: string, ring?: { genesis: GenesisRecord; records: RosterRecord[] }): Promise<Answer> {
    const sent = { version: 1 as const, clientNonce: makeNonce() }
    const answer = await this.#post('/agent/v1/join/hello', sent)
    const hello = answer.json<JoinHelloResponse>()
    verifyHello(hello, sent, parseToken(tokenText).fingerprint)
    this.serverKey = hello.serverKey
    return this.#post('/agent/v1/join', this.self.ask(tokenText, hello, ring))
  }

  /** `rekeys`: after a new key, which the cloud has not seen. */
  async renew(rekeys?: RosterRecord[]): Promise<Answer> {
    const { node, nodeId } = this.self
    const { sequence, serverKey } = this
    const answer = await this.#post(
      '/agent/v1/token',
      buildRenewRequest(node, {
        serverKey,
        nodeId,
        requestNonce: makeNonce(),
        sequence,
        sentAtMs: Date.now(),
        ...(rekeys ? { rekeys } : {}),
      }),
    )
    if (answer.status === 200) ({ accessToken: this.accessToken, sequence: this.sequence } = answer.json<RenewResponse>())
    return answer
  }

  /** `relay`: what it has of the ring's records already. */
  poll(cursor: number, relay?: RelayCursor): Promise<Answer> {
    const headers = { authorization: `Bearer ${this.accessToken}` }
    const has = relay === undefined ? '' : `&records=${relay.position}&digest=${relay.digest}`
    return ask(this.base, { path: `/agent/v1/poll?cursor=${cursor}${has}`, headers })
  }

  /** A poll that the server surely holds: of two polls of one node the later ends the earlier. */
  async hold(relay?: RelayCursor): Promise<{ answer: Promise<Answer> }> {
    const cursor = await this.revision()
    const [one, other] = [this.poll(cursor, relay), this.poll(cursor, relay)]
    const ended = await Promise.race([one.then(() => 'one' as const), other.then(() => 'other' as const)])
    return { answer: ended === 'one' ? other : one }
  }

  async revision(): Promise<number> {
    return (await this.poll(0)).json<PollResponse>().revision
  }

  meet(announcement: string | null, ttlMs = 60_000): Promise<Answer> {
    const headers = { authorization: `Bearer ${this.accessToken}` }
    return this.#post('/agent/v1/rendezvous', { version: 1, announcement, ttlMs }, headers)
  }

  /** A report that names this ring. */
  reportRing(genesis: GenesisRecord, records: RosterRecord[] = []): Promise<Answer> {
    return this.report({ ring: { genesisHash: recordHash(genesis.body), records } })
  }

  report(changes: Partial<ReportRequest> = {}): Promise<Answer> {
    const report = { ...reportOf(this.self.nodeId), facts: FACTS, ...changes }
    return this.#post('/agent/v1/report', report, { authorization: `Bearer ${this.accessToken}` })
  }
}
