/*
 * The control plane as the cloud runs it, without its pages: the real routes on a real socket, over a PostgreSQL of its own in the folder that it is
 * given: `FOLDER [PLANTED] [ADDRESS]`. Says on its first line where it is; after that answers a question a line (control.ts). Ends with stdin.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createInterface } from 'node:readline'
import { handleAgentRequest } from '@thatdam/control/http'
import { generateKey, randomBytes } from '@thatdam/control/keys'
import { PollHub } from '@thatdam/control/poll-hub'
import { RateLimiter } from '@thatdam/control/rate-limits'
import { listen } from '@thatdam/db/notify'
import { Accounts } from '../../apps/cloud/src/domain/accounts.ts'
import { NODE_CHANNEL } from '../../apps/cloud/src/domain/node-channel.ts'
import { TokenChoice } from '../../apps/cloud/src/domain/token-choice.ts'
import { Tokens } from '../../apps/cloud/src/domain/tokens.ts'
import { PrismaControlStore } from '../../apps/cloud/src/server/control-store.ts'
import { openDatabase } from '../../apps/cloud/src/server/database.ts'
import type { ControlAnswer, ControlQuestion, KnownRing, NewOwner } from './control.ts'

const [, , dataRoot = '', , address = '127.0.0.1'] = process.argv
const STOP_GRACE_MS = 2_000
const REQUERY_EVERY_MS = 10_000
/** Limits are not what is looked at here: they would end a race of thousands. */
const WIDE = { points: 1_000_000, durationSeconds: 60 }

const instance = generateKey()
const { db, postgres, url } = await openDatabase({ DATA_ROOT: dataRoot, DATABASE_URL: undefined })
const accounts = new Accounts(db)
const owner = await signUp('faults')
const tokens = new Tokens(db, instance)
const store = new PrismaControlStore(db)
const hub = new PollHub({
  heldMax: 1_000,
  requery: { everyMs: REQUERY_EVERY_MS, changed: (held) => store.changedSince(held, Date.now()), onError: (error) => console.error(error) },
})
const wakes = await listen({ url, channels: [NODE_CHANNEL], onNotification: (_channel, rowId) => hub.wake(rowId) })
const deps = {
  server: { instance, nonceSecret: randomBytes(32) },
  store,
  hub,
  limiter: new RateLimiter({ address: WIDE, everyone: WIDE, failures: WIDE }),
  now: Date.now,
  random: Math.random,
  onError: (error: unknown, route: string) => console.error(route, error),
}
const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => void handleAgentRequest(request, response, deps))

async function signUp(name: string) {
  const password = randomBytes(12).toString('hex')
  const { userId: id, organisationId } = await accounts.signUp({ email: `${name}@example.org`, password, address: null })
  return { id, organisationId, address: null }
}

/** Somebody who has no machine yet, and a token for each that is to come. */
async function newOwner(machines: number): Promise<NewOwner> {
  const person = await signUp(randomBytes(8).toString('hex'))
  const made = []
  for (let number = 0; number < machines; number += 1) made.push(await tokens.make(person, TokenChoice.parse({ lifeMinutes: 60 })))
  return { organisationId: person.organisationId, tokens: made.map(({ text }) => text) }
}

async function ringOf(organisationId: string): Promise<KnownRing> {
  const cluster = await db.cluster.findUnique({ where: { organisationId } })
  const nodes = await db.cloudNode.findMany({ where: { organisationId }, select: { nodeId: true, nodeKey: true, ringState: true } })
  return {
    genesisHash: cluster?.genesisHash ?? null,
    founder: nodes.find(({ nodeKey }) => nodeKey === cluster?.founderKey)?.nodeId ?? null,
    isConfirmed: cluster !== null && cluster.confirmedAt !== null,
    inRing: nodes.flatMap(({ nodeId, ringState }) => (ringState === 'in' ? [nodeId] : [])),
  }
}

const say = (line: unknown): void => void process.stdout.write(`${JSON.stringify(line)}\n`)

async function answer(question: ControlQuestion): Promise<ControlAnswer> {
  if (question.kind === 'token') {
    const { id, text } = await tokens.make(owner, TokenChoice.parse({ lifeMinutes: 60 }))
    return { id, text }
  }
  if (question.kind === 'new-owner') return await newOwner(question.machines)
  if (question.kind === 'ring') return await ringOf(question.organisationId)
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

server.listen({ port: 0, host: address, backlog: 1_024 }, () => say({ url: `http://${address}:${(server.address() as AddressInfo).port}` }))
const lines = createInterface({ input: process.stdin })
lines.on('line', (line) => void answer(JSON.parse(line) as ControlQuestion).then(say))
lines.on('close', () => {
  hub.shut()
  server.close(() => {
    void wakes
      .close()
      .then(() => db.$disconnect())
      .then(() => postgres.stop())
      .finally(() => process.exit(0))
  })
  // What is under way ends by itself; who holds a connection for nothing does not keep us.
  server.closeIdleConnections()
  setTimeout(() => server.closeAllConnections(), STOP_GRACE_MS).unref()
})
