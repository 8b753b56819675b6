/*
 * The control plane as the cloud runs it, without its pages: the real routes on a real socket, over a PostgreSQL of its own in the folder that it is
 * given. Says on its first line where it is; after that answers a question a line (control.ts). Ends with stdin.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createInterface } from 'node:readline'
import { handleAgentRequest } from '@thatdam/control/http'
import { generateKey, randomBytes } from '@thatdam/control/keys'
import { PollHub } from '@thatdam/control/poll-hub'
import { RateLimiter } from '@thatdam/control/rate-limits'
import { Accounts } from '../../apps/cloud/src/domain/accounts.ts'
import { TokenChoice } from '../../apps/cloud/src/domain/token-choice.ts'
import { Tokens } from '../../apps/cloud/src/domain/tokens.ts'
import { PrismaControlStore } from '../../apps/cloud/src/server/control-store.ts'
import { openDatabase } from '../../apps/cloud/src/server/database.ts'
import type { ControlAnswer, ControlQuestion } from './control.ts'

const [, , dataRoot = ''] = process.argv
const STOP_GRACE_MS = 2_000
/** Limits are not what is looked at here: they would end a race of thousands. */
const WIDE = { points: 1_000_000, durationSeconds: 60 }

const instance = generateKey()
const { db, postgres } = await openDatabase({ DATA_ROOT: dataRoot, DATABASE_URL: undefined })
const person = await new Accounts(db).signUp({
  email: 'faults@example.org',
  password: randomBytes(12).toString('hex'),
  mustChangePassword: false,
  address: null,
})
const owner = { id: person.userId, organisationId: person.organisationId, address: null }
const tokens = new Tokens(db, instance)
const hub = new PollHub({ heldMax: 1_000 })
const deps = {
  server: { instance, nonceSecret: randomBytes(32) },
  store: new PrismaControlStore(db),
  hub,
  limiter: new RateLimiter({ address: WIDE, everyone: WIDE, failures: WIDE }),
  now: Date.now,
  random: Math.random,
  onError: (error: unknown, route: string) => console.error(route, error),
}
const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => void handleAgentRequest(request, response, deps))

const say = (line: unknown): void => void process.stdout.write(`${JSON.stringify(line)}\n`)

async function answer(question: ControlQuestion): Promise<ControlAnswer> {
  if (question.kind === 'token') {
    const { id, text } = await tokens.make(owner, TokenChoice.parse({ lifeMinutes: 60 }))
    return { id, text }
  }
  if (question.kind === 'uses') {
    const { uses } = await db.joinToken.findUniqueOrThrow({ where: { id: question.id } })
    return { uses, redemptions: await db.joinRedemption.count({ where: { tokenId: question.id } }) }
  }
  if (question.kind === 'unlock') await db.cloudNode.updateMany({ data: { lockedAt: null } })
  return {
    locked: await db.cloudNode.count({ where: { lockedAt: { not: null } } }),
    suspected: await db.auditEvent.count({ where: { action: 'node.clone-suspected' } }),
  }
}

server.listen({ port: 0, host: '127.0.0.1', backlog: 1_024 }, () =>
  say({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }),
)
const lines = createInterface({ input: process.stdin })
lines.on('line', (line) => void answer(JSON.parse(line) as ControlQuestion).then(say))
lines.on('close', () => {
  hub.shut()
  server.close(() => {
    void db
      .$disconnect()
      .then(() => postgres.stop())
      .finally(() => process.exit(0))
  })
  // What is under way ends by itself; who holds a connection for nothing does not keep us.
  server.closeIdleConnections()
  setTimeout(() => server.closeAllConnections(), STOP_GRACE_MS).unref()
})
