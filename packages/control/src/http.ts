import type { IncomingMessage, ServerResponse } from 'node:http'
import { NOT_FOUND_BODY, ThatdamError } from '@thatdam/protocol/errors'
import { JoinHelloRequest, JoinRequest, RenewRequest, type RenewResponse } from '@thatdam/protocol/join'
import { ReportRequest } from '@thatdam/protocol/poll'
import { RendezvousRequest } from '@thatdam/protocol/rendezvous'
import { issueAccessToken, verifyAccessToken, verifyRenewRequest } from './access-node.ts'
import { ACCESS_TOKEN_LIFE_MS, decideRenewal, type RenewalDecision } from './credentials.ts'
import { type Answer, answerError, answerJson, peerAddress, readJson, send, STRANGER, tooMany } from './http-io.ts'
import { keepIntent } from './join-intent.ts'
import { formerKeys } from './key-chain.ts'
import { verifySignature } from './keys.ts'
import { joinRefusal, type JoinServer, makeHello, makeJoinResponse, verifyJoinRequest } from './join.ts'
import { pollAnswer, readPollQuery } from './poll-answer.ts'
import type { HeldPoll, PollHub } from './poll-hub.ts'
import type { RateLimiter } from './rate-limits.ts'
import type { RelayCursor } from './relay.ts'
import { meet } from './rendezvous.ts'
import type { AuditEvent, ControlStore, NodeRecord } from './store.ts'

export type AgentRouteDeps = {
  server: JoinServer
  store: ControlStore
  hub: PollHub
  limiter: RateLimiter
  now: () => number
  /** 0 ≤ x < 1, for jitter only. */
  random: () => number
  /** For the log: what went wrong with its stack. Nothing of it reaches the client. */
  onError: (error: unknown, route: string) => void
  /** A granted renewal, an accepted join, a report: for "last contact". Never awaited. */
  onContact?: (node: { id: string; nodeId: string }) => void
  /** Tells whether a socket's peer is a proxy of ours whose X-Forwarded-For counts. Left out: it is never read. */
  isTrustedProxy?: (address: string) => boolean
  /** Shortest and longest hold of a poll. Default 25–50 s. */
  holdMs?: readonly [number, number]
}

type Call = { req: IncomingMessage; res: ServerResponse; deps: AgentRouteDeps; address: string }
type Route = { method: 'GET' | 'POST'; open: boolean; run: (call: Call) => Promise<Answer | null> }

const SMALL_BODY_BYTES_MAX = 64 * 1024
/** Facts with many cameras, each with its modes, the allowed roots, and a ring's roster. */
const JOIN_BODY_BYTES_MAX = 512 * 1024
const REPORT_BODY_BYTES_MAX = 1024 * 1024
const NOT_FOUND: Answer = { status: 404, body: NOT_FOUND_BODY }
const LOCKED =
  'Two machines present this node’s key: its disk was probably copied. Both are locked out of the cloud; open the node in the cloud app and say whether it is the same machine or a new one. Then run “thatdam rekey” on the one that stays: the copied key opens nothing any more.'
const REVOKED = 'This machine was removed by its owner. To take it back, register it with a fresh join token.'

const ROUTES: Record<string, Route> = {
  '/agent/v1/join/hello': { method: 'POST', open: true, run: hello },
  '/agent/v1/join': { method: 'POST', open: true, run: join },
  '/agent/v1/token': { method: 'POST', open: true, run: renew },
  '/agent/v1/poll': { method: 'GET', open: false, run: poll },
  '/agent/v1/report': { method: 'POST', open: false, run: report },
  '/agent/v1/rendezvous': { method: 'POST', open: false, run: rendezvous },
}

/**
 * Answers everything under `/agent/` of a node:http server; other paths there get 404. Never throws. Nothing of CORS is sent: no page
 * may call this. The server needs `requestTimeout` above 60 s or 0 (polls are held), and bodies must not have been read before.
 */
export async function handleAgentRequest(req: IncomingMessage, res: ServerResponse, deps: AgentRouteDeps): Promise<void> {
  const path = (req.url ?? '').split('?', 1)[0] ?? ''
  const route = Object.hasOwn(ROUTES, path) ? ROUTES[path] : undefined
  let answer: Answer | null
  try {
    const address = peerAddress(req, deps.isTrustedProxy)
    const waitSeconds = await deps.limiter.admit(address, { open: route?.open ?? true })
    if (waitSeconds !== null) answer = tooMany(waitSeconds)
    else if (route === undefined || route.method !== req.method) answer = NOT_FOUND
    else answer = await route.run({ req, res, deps, address })
  } catch (error) {
    answer = errorAnswer(error, path, deps)
  }
  if (answer === null) return
  // A body that was refused unread must not be parsed as the next request.
  if (!req.complete) answer = { ...answer, headers: { ...answer.headers, connection: 'close' } }
  send(res, answer)
}

function errorAnswer(error: unknown, path: string, deps: AgentRouteDeps): Answer | null {
  if (error instanceof ThatdamError) return answerError(error)
  if (error instanceof Error && 'code' in error && error.code === 'ECONNRESET') return null
  deps.onError(error, path)
  return answerError(
    new ThatdamError('INTERNAL', 'The server had a problem with this request. It was written to its log; try again later.'),
  )
}

/** What a schema of the protocol package does, as far as it is needed here. */
type Schema<T> = {
  safeParse(value: unknown): { success: true; data: T } | { success: false; error: { issues: { path: PropertyKey[]; message: string }[] } }
}

async function body<T>(call: Call, schema: Schema<T>, bytesMax: number): Promise<T> {
  const parsed = schema.safeParse(await readJson(call.req, bytesMax))
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  const field = issue?.path.join('.') ?? ''
  throw new ThatdamError('BAD_REQUEST', `The request’s field “${field.slice(0, 200)}” is not as expected: ${issue?.message ?? 'unknown'}`)
}

/** A failed proof: the stranger's 401, or 429 when there were too many from this address. */
async function stranger(call: Call): Promise<Answer> {
  const waitSeconds = await call.deps.limiter.fail(call.address)
  return waitSeconds === null ? STRANGER : tooMany(waitSeconds)
}

async function hello(call: Call): Promise<Answer> {
  const { deps } = call
  const request = await body(call, JoinHelloRequest, SMALL_BODY_BYTES_MAX)
  return answerJson(200, makeHello(deps.server, request, deps.now()))
}

async function join(call: Call): Promise<Answer> {
  const { deps } = call
  const request = await body(call, JoinRequest, JOIN_BODY_BYTES_MAX)
  // Before anything is looked up: who guesses is slowed down whether or not the next guess is right.
  const blockedSeconds = await deps.limiter.blocked(call.address)
  if (blockedSeconds !== null) return tooMany(blockedSeconds)
  const nowMs = deps.now()
  const { nodeKey, nodeId, genesisHash } = request.transcript
  const audit = (kind: AuditEvent['kind'], organisationId: string | null, detail: string): Promise<void> =>
    deps.store.audit({ atMs: nowMs, kind, organisationId, nodeKey, nodeId, address: call.address, detail })

  const decision = await verifyJoinRequest(deps.server, request, { nowMs, findToken: (tokenKey) => deps.store.findToken(tokenKey) })
  if (decision.kind === 'stranger') {
    await audit('join.stranger', null, decision.detail)
    return stranger(call)
  }
  const { token } = decision
  if (decision.kind === 'refused') {
    await audit('join.refused', token.organisation.id, decision.error.code)
    return answerError(decision.error)
  }
  const { tokenKey } = token
  const { genesis, facts, allowedIndexRoots, records = [] } = request
  const machine = { nodeKey, nodeId, genesisHash, genesis, records, facts, allowedIndexRoots, intent: keepIntent(request, null) }
  const outcome = await deps.store.redeemToken({ tokenKey, nowMs, ...machine })
  if (outcome.kind === 'unknown') {
    await audit('join.stranger', null, 'token deleted meanwhile')
    return stranger(call)
  }
  if (outcome.kind !== 'joined') {
    const error = joinRefusal(outcome.kind, nodeId)
    await audit('join.refused', token.organisation.id, error.code)
    return answerError(error)
  }
  await audit(outcome.repeated ? 'join.repeated' : 'join.accepted', outcome.organisation.id, `node ${outcome.nodeId}`)
  return answerJson(201, makeJoinResponse(deps.server, request, outcome))
}

async function renew(call: Call): Promise<Answer> {
  const { deps } = call
  const request = await body(call, RenewRequest, SMALL_BODY_BYTES_MAX)
  const { publicKey } = deps.server.instance
  if (!verifyRenewRequest(request, publicKey)) return stranger(call)
  const nowMs = deps.now()
  const refusal = await followKey(call, request, nowMs)
  if (refusal !== null) return refusal
  const result = await deps.store.renew(request.nodeKey, (row) => decideRenewal(row, request, nowMs))
  if (result === null || result.row.nodeId !== request.nodeId) return stranger(call)
  const { row, decision } = result
  await auditRenewal(call, row, decision, nowMs)
  if (decision.kind === 'lock') {
    deps.hub.close(row.id)
    return answerError(new ThatdamError('NODE_LOCKED', LOCKED))
  }
  if (decision.kind === 'refuse') return answerError(renewalError(decision.code))
  deps.onContact?.({ id: row.id, nodeId: row.nodeId })
  const { nodeId, nodeKey, organisationId } = row
  const claims = { nodeId, nodeKey, organisationId, expiresAtMs: nowMs + ACCESS_TOKEN_LIFE_MS }
  const answer: RenewResponse = {
    version: 1,
    accessToken: issueAccessToken(claims, deps.server.instance),
    expiresInSeconds: ACCESS_TOKEN_LIFE_MS / 1000,
    sequence: decision.sequence,
  }
  return answerJson(200, answer)
}

/** The first use of a new key here, proved by itself; that it is the machine's, the old one proves. Repeated or late it does nothing. */
async function followKey(call: Call, { nodeId, nodeKey, rekeys }: RenewRequest, nowMs: number): Promise<Answer | null> {
  const { store, hub } = call.deps
  if (rekeys === undefined || (await store.getNode(nodeKey)) !== null) return null
  for (const oldKey of formerKeys(rekeys, { nodeId, publicKey: nodeKey, verify: verifySignature })) {
    const node = await store.getNode(oldKey)
    if (node === null) continue
    if (node.nodeId !== nodeId) return null
    if (!(await store.replaceKey(oldKey, nodeKey, { records: rekeys, nowMs }))) return lockOf(node)
    hub.close(node.id)
    const { organisationId } = node
    const detail = `instead of ${oldKey}`
    await store.audit({ atMs: nowMs, kind: 'node.key-replaced', organisationId, nodeKey, nodeId, address: call.address, detail })
    return null
  }
  return null
}

type RenewalRefusal = Extract<RenewalDecision, { kind: 'refuse' }>['code']
const RENEWAL_SENTENCES: Record<RenewalRefusal, string> = {
  NODE_REVOKED: REVOKED,
  NODE_LOCKED: LOCKED,
  CLOCK_SKEW: 'This machine’s clock differs from the server’s by more than ten minutes. Set it, or let it follow a time server.',
  CONFLICT: 'A newer renewal of this node was already answered. Ask again.',
}
const renewalError = (code: RenewalRefusal): ThatdamError => new ThatdamError(code, RENEWAL_SENTENCES[code])

async function auditRenewal(call: Call, row: NodeRecord, decision: RenewalDecision, nowMs: number): Promise<void> {
  const write = (kind: AuditEvent['kind'], detail: string): Promise<void> => {
    const { organisationId, nodeKey, nodeId } = row
    return call.deps.store.audit({ atMs: nowMs, kind, organisationId, nodeKey, nodeId, address: call.address, detail })
  }
  if (decision.kind === 'lock') await write('node.clone-suspected', decision.detail)
  else if (decision.kind === 'grant' && decision.ahead) await write('node.sequence-ahead', `row had ${row.sequence}`)
  else if (decision.kind === 'refuse' && decision.code !== 'CONFLICT') await write('node.renew-refused', decision.code)
}

/** The node behind a bearer token, or the answer that ends the request. */
async function authenticate(call: Call): Promise<{ node: NodeRecord } | { answer: Answer }> {
  const { deps } = call
  const bearer = /^Bearer ([A-Za-z0-9._-]{1,2048})$/.exec(call.req.headers.authorization ?? '')?.[1] ?? ''
  const claims = verifyAccessToken(bearer, deps.server.instance.publicKey, deps.now())
  if (claims === null) return { answer: await stranger(call) }
  const node = await deps.store.getNode(claims.nodeKey)
  if (node === null || node.organisationId !== claims.organisationId) return { answer: await stranger(call) }
  const refusal = lockOf(node)
  return refusal === null ? { node } : { answer: refusal }
}

function lockOf(node: NodeRecord): Answer | null {
  if (node.revokedAtMs !== null) return answerError(new ThatdamError('NODE_REVOKED', REVOKED))
  return node.lockedAtMs === null ? null : answerError(new ThatdamError('NODE_LOCKED', LOCKED))
}

/** Why a node may not go on, from its row now; null when it may. */
async function lockedOut(deps: AgentRouteDeps, nodeKey: string): Promise<Answer | null> {
  const node = await deps.store.getNode(nodeKey)
  return node === null ? STRANGER : lockOf(node)
}

async function report(call: Call): Promise<Answer> {
  const who = await authenticate(call)
  if ('answer' in who) return who.answer
  const request = await body(call, ReportRequest, REPORT_BODY_BYTES_MAX)
  if (request.nodeId !== who.node.nodeId) {
    throw new ThatdamError('FORBIDDEN', `This credential is for the node ${who.node.nodeId}; it cannot report for another.`)
  }
  await call.deps.store.saveReport(who.node, request, call.deps.now())
  call.deps.onContact?.(who.node)
  return { status: 204, body: null }
}

async function rendezvous(call: Call): Promise<Answer> {
  const who = await authenticate(call)
  if ('answer' in who) return who.answer
  const request = await body(call, RendezvousRequest, SMALL_BODY_BYTES_MAX)
  return answerJson(200, await meet(call.deps.store, who.node, { ...request, nowMs: call.deps.now() }))
}

async function poll(call: Call): Promise<Answer | null> {
  const who = await authenticate(call)
  if ('answer' in who) return who.answer
  const asked = readPollQuery(call.req.url ?? '')
  const { deps, res } = call
  // A client that hung up meanwhile must not push its own next poll out.
  if (res.destroyed) return null
  const held = deps.hub.open(who.node.id, asked.cursor)
  if (held === null)
    return answerError(new ThatdamError('UNAVAILABLE', 'The server holds as many machines as it can. Try again in 30 s.'), 30)
  // Not an AbortSignal: that costs 2 KB for each machine that waits.
  res.once('close', () => held.release())
  try {
    deps.onContact?.(who.node)
    return await holdPoll(call, { node: who.node, asked, held })
  } finally {
    held.release()
  }
}

/** Subscribed already: query, wait, query again … so that no change between two steps is missed. The hub asks for lost wakes. */
async function holdPoll(
  call: Call,
  at: { node: NodeRecord; asked: { cursor: number; relay: RelayCursor }; held: HeldPoll },
): Promise<Answer | null> {
  const { deps } = call
  const [shortest, longest] = deps.holdMs ?? [25_000, 50_000]
  const endsAt = performance.now() + shortest + deps.random() * (longest - shortest)
  for (;;) {
    // Also before the first wait: a removal between the credential's check and our subscription woke nobody.
    if (await deps.store.isRevoked(at.node.id)) return (await lockedOut(deps, at.node.nodeKey)) ?? STRANGER
    const news = await deps.store.loadPoll(at.node, { ...at.asked, nowMs: deps.now() })
    if (news !== null) return answerJson(200, pollAnswer(deps.server.instance, news, at.node))
    const leftMs = endsAt - performance.now()
    if (leftMs <= 0) return { status: 204, body: null }
    const outcome = await at.held.changed(leftMs)
    if (outcome === 'aborted') return null
    if (outcome === 'replaced') return { status: 204, body: null }
    if (outcome === 'closed')
      return (await lockedOut(deps, at.node.nodeKey)) ?? { status: 204, body: null, headers: { connection: 'close' } }
  }
}
