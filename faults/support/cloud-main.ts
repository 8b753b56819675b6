/*
 * The cloud as agents see it, in a host of its own: the real control core on a real socket, its rows in memory. Says on its first line where it
 * is and with which token machines join; after that a line for each question on stdin. Ends with stdin.
 */
import { createServer } from 'node:http'
import { createInterface } from 'node:readline'
import { handleAgentRequest } from '@thatdam/control/http'
import { fingerprint, generateKey, randomBytes } from '@thatdam/control/keys'
import { PollHub } from '@thatdam/control/poll-hub'
import { RateLimiter } from '@thatdam/control/rate-limits'
import { MemoryRings } from '@thatdam/control/testing/memory-rings'
import { MemoryStore } from '@thatdam/control/testing/memory-store'
import { makeToken, newRingScope } from '@thatdam/control/token'
import type { CloudNews } from './cloud.ts'

const [, , address = '127.0.0.1', port = '0'] = process.argv
const TOKEN_MS = 365 * 86_400_000

const instance = generateKey()
const organisation = { id: 'faults', name: 'Faults' }
const scope = newRingScope(organisation.id)
const token = makeToken(scope, fingerprint(instance.publicKey))
const store = new MemoryStore()
const now = Date.now()
store.addToken({
  tokenKey: token.tokenKey,
  scope,
  organisation,
  createdAtMs: now,
  expiresAtMs: now + TOKEN_MS,
  maxUses: 100,
  revokedAtMs: null,
})
const hub = new PollHub({ heldMax: 100 })
store.rings = new MemoryRings((nodeKey) => hub.wake(store.nodes.get(nodeKey)?.id ?? ''))
const deps = {
  server: { instance, nonceSecret: randomBytes(32) },
  store,
  hub,
  limiter: new RateLimiter(),
  now: Date.now,
  random: Math.random,
  onError: (error: unknown, route: string) => console.error(route, error),
}
/** Answers that were refused for a token that is over. */
let refused = 0
const server = createServer((request, response) => {
  response.once('finish', () => {
    if (response.statusCode === 401) refused += 1
  })
  void handleAgentRequest(request, response, deps)
})

const say = (line: unknown): void => void process.stdout.write(`${JSON.stringify(line)}\n`)

server.listen(Number(port), address, () => {
  const bound = server.address()
  const at = typeof bound === 'object' && bound !== null ? bound.port : port
  say({ url: `http://${address}:${at}`, token: token.text })
})
const lines = createInterface({ input: process.stdin })
lines.on('line', () => {
  const reported = Object.fromEntries(store.reports.map((report) => [report.nodeId, report.sentAtMs]))
  say({ refused, reported } satisfies CloudNews)
})
lines.on('close', () => process.exit(0))
