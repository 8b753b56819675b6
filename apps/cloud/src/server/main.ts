/** The cloud app: node:http in front, PostgreSQL behind, Next for the pages. Environment: src/env.ts. */
import { randomBytes } from 'node:crypto'
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { hostname } from 'node:os'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type AgentRouteDeps, handleAgentRequest } from '@thatdam/control/http'
import { PollHub } from '@thatdam/control/poll-hub'
import { RateLimiter } from '@thatdam/control/rate-limits'
import { type Listener, listen } from '@thatdam/db/notify'
import { outliveReaders } from '@thatdam/protocol/output'
import { Accounts } from '../domain/accounts.ts'
import { Activity } from '../domain/activity.ts'
import { pruneAudit } from '../domain/audit.ts'
import { limits } from '../domain/limits.ts'
import { NODE_CHANNEL } from '../domain/node-channel.ts'
import { Nodes } from '../domain/nodes.ts'
import { Rings } from '../domain/rings.ts'
import { Tokens } from '../domain/tokens.ts'
import { type Env, readEnv } from '../env.ts'
import { setRuntime } from '../runtime.ts'
import { baseFor, isLoopbackHost, lanAddresses } from './addresses.ts'
import { PrismaControlStore } from './control-store.ts'
import { openDatabase, type OpenDatabase } from './database.ts'
import { isTrusted } from './guard.ts'
import { createListener } from './listener.ts'
import { Pages } from './pages.ts'
import { Releases } from './releases.ts'
import { loadSecrets, type Secrets } from './state.ts'

const HELD_POLLS_MAX = 18_000
/** Wakes that were lost on their way are found again so often; the pages' contact age grows no older. */
const REQUERY_EVERY_MS = 10_000
const PORTS_TRIED = 20
const STOP_GRACE_MS = 3_000
const PRUNE_EVERY_MS = 86_400_000

const say = (text: string): void => console.log(`[cloud] ${text}`)

async function start(env: Env, ending: Ending): Promise<void> {
  const secrets = loadSecrets(env.DATA_ROOT, env.NEXTAUTH_SECRET)
  const open = await openDatabase(env)
  try {
    await serve(env, { secrets, open, ending })
  } catch (error) {
    // What was started for this server ends with it.
    await open.db.$disconnect()
    if (!open.postgres.attached) await open.postgres.stop()
    throw error
  }
}

async function serve(env: Env, { secrets, open, ending }: { secrets: Secrets; open: OpenDatabase; ending: Ending }): Promise<void> {
  const store = new PrismaControlStore(open.db)
  const hub = new PollHub({
    heldMax: HELD_POLLS_MAX,
    requery: {
      everyMs: REQUERY_EVERY_MS,
      changed: (held) => store.changedSince(held, Date.now()),
      onError: (error) => console.error('[cloud] the held polls could not be looked at; they are tried again', error),
    },
  })
  const wakes = await listen({
    url: open.url,
    channels: [NODE_CHANNEL],
    onNotification: (_channel, rowId) => hub.wake(rowId),
    onError: (error) => console.error(`[cloud] wake-ups from the database are interrupted: ${error.message}`),
  })
  try {
    await openDoors(env, { secrets, open, ending, hub, wakes, store })
  } catch (error) {
    await wakes.close()
    throw error
  }
}

interface Ready {
  secrets: Secrets
  open: OpenDatabase
  ending: Ending
  hub: PollHub
  wakes: Listener
  store: PrismaControlStore
}

async function openDoors(env: Env, { secrets, open, ending, hub, wakes, store }: Ready): Promise<void> {
  const releases = new Releases({ releasesDir: env.RELEASES_DIR, installDir: env.INSTALL_DIR })
  setRuntime({
    accounts: new Accounts(open.db),
    tokens: new Tokens(open.db, secrets.instance),
    nodes: new Nodes(open.db, secrets.instance),
    rings: new Rings(open.db),
    activity: new Activity(open.db),
    releases,
    limits,
    sessionSecret: secrets.sessionSecret,
    // Bound to loopback, no address of the network leads here.
    baseFor: (opened) => baseFor(opened, env.PUBLIC_URL, isLoopbackHost(env.HOST ?? '') ? [] : lanAddresses()),
    hostname: hostname(),
  })
  const pages = new Pages({ dev: env.CLOUD_DEV, dir: path.resolve(import.meta.dirname, '../..') })
  await pages.prepare()
  const agentDeps = agentRoutes(env, { store, hub, secrets })
  const server = createServer(
    createListener({
      agent: (request, response) => handleAgentRequest(request, response, agentDeps),
      pages: (request, response) => pages.handle(request, response),
      releases,
      publicUrl: env.PUBLIC_URL,
      trustedProxies: env.TRUSTED_PROXY,
    }),
  )
  // Polls are held longer than Node's own patience; heads still have to come within a minute.
  server.requestTimeout = 0
  server.headersTimeout = 60_000
  server.keepAliveTimeout = 65_000
  server.on('upgrade', (request, socket, head) => pages.upgrade(request, socket, head))
  const port = await listenNear(server, env)
  await announce(env, port)
  keepAuditShort(open)
  ending.started({ server, hub, wakes, pages, open })
}

/** Now and once a day. What fails is tried again the next day. */
function keepAuditShort({ db }: OpenDatabase): void {
  const prune = (): void => {
    pruneAudit(db, Date.now()).catch((error: unknown) => console.error('[cloud] old entries of the activity page stay for now', error))
  }
  prune()
  setInterval(prune, PRUNE_EVERY_MS).unref()
}

function agentRoutes(env: Env, parts: { store: PrismaControlStore; hub: PollHub; secrets: Secrets }): AgentRouteDeps {
  return {
    server: { instance: parts.secrets.instance, nonceSecret: randomBytes(32) },
    store: parts.store,
    hub: parts.hub,
    limiter: new RateLimiter(),
    now: Date.now,
    random: Math.random,
    onError: (error, route) => console.error(`[cloud] ${route}`, error),
    isTrustedProxy: (address) => isTrusted(env.TRUSTED_PROXY, address),
  }
}

/** The wanted port, or the next free one. */
async function listenNear(server: Server, env: Env): Promise<number> {
  const attempt = (port: number, host: string | undefined): Promise<void> =>
    new Promise((resolve, reject) => {
      server.once('error', reject)
      server.listen({ port, backlog: 4096, ...(host === undefined ? {} : { host }) }, () => {
        server.removeListener('error', reject)
        resolve()
      })
    })
  for (let port = env.PORT; ; port += 1) {
    try {
      await attempt(port, env.HOST)
      const taken = (server.address() as AddressInfo).port
      if (env.PORT !== 0 && taken !== env.PORT) say(`Port ${env.PORT} is taken by another program: this server uses ${taken} instead.`)
      return taken
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code !== 'EADDRINUSE' || port >= env.PORT + PORTS_TRIED || port >= 65_535) {
        throw new Error(`The server cannot listen on port ${port} (${code}). Free it, or set PORT.`, { cause: error })
      }
    }
  }
}

async function announce(env: Env, port: number): Promise<void> {
  const url = env.PUBLIC_URL ?? `http://localhost:${port}`
  const lan = lanAddresses()[0]?.address
  say(`Ready on ${url}${env.PUBLIC_URL === undefined && lan !== undefined ? `, for other machines on http://${lan}:${port}` : ''}`)
  if (env.READY_FILE === undefined) return
  await mkdir(path.dirname(env.READY_FILE), { recursive: true })
  await writeFile(`${env.READY_FILE}.tmp`, JSON.stringify({ url: `http://localhost:${port}`, pid: process.pid }))
  await rename(`${env.READY_FILE}.tmp`, env.READY_FILE)
}

interface Running {
  server: Server
  hub: PollHub
  wakes: Listener
  pages: Pages
  open: OpenDatabase
}

/** In order: no new requests, held polls answered, those under way get a moment, then what they worked with. */
async function stop({ server, hub, wakes, pages, open }: Running): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve))
  hub.shut()
  server.closeIdleConnections()
  await Promise.race([closed, delay(STOP_GRACE_MS, undefined, { ref: false })])
  server.closeAllConnections()
  await pages.close()
  await wakes.close()
  await open.db.$disconnect()
  await open.postgres.stop()
}

/** One stop, whenever it was asked for: a signal during the start ends what was started by then. */
class Ending {
  #asked = false
  #running: Running | null = null

  constructor() {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => this.#ask())
    // Started with an IPC channel: the parent's end is ours.
    process.on('disconnect', () => this.#ask())
  }

  started(running: Running): void {
    this.#running = running
    if (this.#asked) this.#end(running)
  }

  #ask(): void {
    if (this.#asked) return
    this.#asked = true
    say('Stopping.')
    if (this.#running !== null) this.#end(this.#running)
  }

  #end(running: Running): void {
    stop(running).then(
      () => process.exit(0),
      (error: unknown) => {
        console.error(error)
        process.exit(1)
      },
    )
  }
}

outliveReaders(process.stdout, process.stderr)
try {
  await start(readEnv(), new Ending())
} catch (error) {
  console.error(error instanceof Error ? `[cloud] ${error.message}` : error)
  if (error instanceof Error && error.cause !== undefined) console.error(error.cause)
  process.exit(1)
}
