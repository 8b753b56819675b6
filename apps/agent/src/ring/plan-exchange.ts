import type { Member } from '@thatdam/control/roster'
import { ThatdamError } from '@thatdam/protocol/errors'
import { MemberPlanAnswer } from '@thatdam/protocol/member'
import type { SignedPlan, Term } from '@thatdam/protocol/plan'
import { Backoff, sleep } from '../backoff.ts'
import { requestSignal } from '../local-api/http.ts'
import type { NodeClient } from '../link/client.ts'
import { json, memberOf, type NodeRoute } from '../link/server.ts'
import type { PlanBook } from './plan-book.ts'
import { isSound } from './signed-plan.ts'

const HOLD_MS = 25_000
const HOLD_JITTER_MS = 5_000

/** GET /v1/plan: the leader's side. A member's poll is held until its plan is another than the one it names. */
export function planRoute(book: PlanBook, orderTerm: () => Term | null): NodeRoute {
  return {
    method: 'GET',
    path: '/v1/plan',
    run: async (call) => {
      const { nodeId } = memberOf(call)
      const has = `${call.query.get('hash') ?? ''} ${call.query.get('term') ?? ''}`
      const signal = requestSignal(call.response)
      const endsAtMs = performance.now() + HOLD_MS + Math.random() * HOLD_JITTER_MS
      for (;;) {
        // Asked before each answer: a leader that stood still must not hand out what it believed.
        if (orderTerm() === null) throw new ThatdamError('CONFLICT', 'This machine does not lead the ring now.')
        const plan = book.of(nodeId)
        if (plan !== null && nameOf(plan) !== has) return json({ version: 1, plan } satisfies MemberPlanAnswer)
        const leftMs = endsAtMs - performance.now()
        if (signal.aborted) return null
        if (leftMs <= 0) return { status: 204, body: null }
        await book.changed(leftMs, signal)
      }
    },
  }
}

const nameOf = ({ envelope: { bodyHash, term } }: SignedPlan): string => `${bodyHash} ${term.number}-${term.nodeId}`

export interface FollowPorts {
  readonly client: () => NodeClient
  readonly nodeId: string
  readonly leader: () => Term | null
  readonly memberOf: (nodeId: string) => Member | null
  readonly current: () => SignedPlan | null
  /** Whether an order of this term may be carried out; notes it. */
  readonly accept: (term: Term) => boolean
  /** Carries it out. */
  readonly take: (plan: SignedPlan) => Promise<void>
  /** Resolves when the leader or the roster is another one, at the latest when the signal aborts. */
  readonly changed: (signal: AbortSignal) => Promise<void>
  readonly log: (message: string, error?: unknown) => void
}

/** A member's side: one held poll with whoever leads, ended and begun anew when another one does. */
export async function followPlans(ports: FollowPorts, signal: AbortSignal): Promise<void> {
  const backoff = new Backoff(100, 3_000)
  while (!signal.aborted) {
    const term = ports.leader()
    const leader = term === null || term.nodeId === ports.nodeId ? null : ports.memberOf(term.nodeId)
    const other = new AbortController()
    const ended = AbortSignal.any([signal, other.signal])
    const moved = ports.changed(ended).then(() => other.abort())
    if (leader === null) {
      await moved
      continue
    }
    try {
      await pollOnce(ports, leader, ended)
      backoff.reset()
    } catch (error) {
      if (!ended.aborted) {
        ports.log(`no plan from ${leader.nodeId}`, error)
        await sleep(backoff.nextMs(), ended)
      }
    } finally {
      other.abort()
    }
  }
}

async function pollOnce(ports: FollowPorts, leader: Member, signal: AbortSignal): Promise<void> {
  const current = ports.current()
  const query =
    current === null ? '' : `?${new URLSearchParams({ hash: current.envelope.bodyHash, term: termText(current.envelope.term) })}`
  const answer = await ports.client().call({
    publicKey: leader.publicKey,
    method: 'GET',
    path: `/v1/plan${query}`,
    timeoutMs: HOLD_MS + HOLD_JITTER_MS + 10_000,
    signal,
  })
  if (answer.status === 204) return
  const { plan } = MemberPlanAnswer.parse(answer.body)
  const refusal = refusalOf(ports, leader, plan)
  if (refusal !== null) throw refusal
  await ports.take(plan)
}

const termText = ({ number, nodeId }: Term): string => `${number}-${nodeId}`

function refusalOf(ports: FollowPorts, leader: Member, plan: SignedPlan): ThatdamError | null {
  const { envelope, body } = plan
  const isHis = leader.keys.includes(envelope.issuer) && envelope.term.nodeId === leader.nodeId
  if (!isHis || body.nodeId !== ports.nodeId || !isSound(plan)) {
    return new ThatdamError('UNPROCESSABLE', `${leader.nodeId} sent a plan that it did not sign, or that is for another machine.`)
  }
  if (!ports.accept(envelope.term)) return new ThatdamError('STALE_TERM', `${leader.nodeId} led once, and does no more.`)
  return null
}
