import { randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { ThatdamError, UNAUTHENTICATED_BODY } from '@thatdam/protocol/errors'
import {
  AppendOpsRequest,
  NewSessionRequest,
  OwnerCredential,
  ServiceCommand,
  type FolderListing,
  type LocalState,
  type OpFeed,
  type OpFeedEntry,
  type Session,
} from '@thatdam/protocol/local'
import type { OpBody } from '@thatdam/protocol/ops'
import { FakeRingDoorServer, type FakeRingDoor } from './fake-ring-door.ts'

/*
 * The agent's local API over a real socket, with everything in memory: for tests of the console, and for looking at its screens without
 * the other parts. Signing, plans and services are not here; a command is recorded and answered by `onCommand`.
 */

const HOLD_MS = 25_000

export interface FakeAgent {
  readonly url: string
  readonly token: string
  readonly state: LocalState
  /** Changes the state and wakes who waits. */
  update(change: (state: LocalState) => void): void
  append(bodies: readonly OpBody[], atMs?: number): void
  readonly entries: readonly OpFeedEntry[]
  /** The feed begins anew under another id. */
  rebuild(bodies: readonly OpBody[]): void
  readonly commands: { service: string; command: string; params: unknown; nodeId?: string | undefined }[]
  onCommand: (service: string, command: string, params: Record<string, unknown>) => unknown
  owner: OwnerCredential
  /** Sessions by the cookie's value. */
  readonly sessions: Map<string, Session>
  /** Hand-off tokens that are taken, once each. */
  readonly handoffTokens: Set<string>
  /** `nodeId`: of another machine. */
  folders: (path: string | null, nodeId: string | null) => FolderListing
  /** Joining and leaving. */
  readonly door: FakeRingDoor
  /** What an append is answered with. */
  durability: 'here' | 'saved'
  close(): Promise<void>
}

export async function startFakeAgent(state: LocalState): Promise<FakeAgent> {
  const fake = new FakeAgentServer(state)
  await fake.start()
  return fake
}

class FakeAgentServer implements FakeAgent {
  url = ''
  readonly token = randomBytes(16).toString('hex')
  readonly state: LocalState
  readonly commands: FakeAgent['commands'] = []
  onCommand: FakeAgent['onCommand'] = () => null
  owner: OwnerCredential = { passwordHash: null }
  readonly sessions = new Map<string, Session>()
  readonly handoffTokens = new Set<string>()
  folders: FakeAgent['folders'] = (path) => ({ path, parent: null, folders: [], truncated: false })
  durability: FakeAgent['durability'] = 'here'
  readonly door: FakeRingDoorServer
  entries: OpFeedEntry[] = []
  private feedId = randomBytes(8).toString('hex')
  private readonly waiters = new Set<() => void>()
  private readonly server = createServer((request, response) => {
    this.route(request, response).catch((error: unknown) => {
      const known = error instanceof ThatdamError ? error : new ThatdamError('BAD_REQUEST', String(error))
      send(response, known.status, known.toBody())
    })
  })

  constructor(state: LocalState) {
    this.state = state
    this.door = new FakeRingDoorServer({ state, sessions: this.sessions, update: (change) => this.update(change) })
  }

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve))
    this.url = `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`
  }

  async close(): Promise<void> {
    this.wake()
    this.server.closeAllConnections()
    await new Promise((resolve) => this.server.close(resolve))
  }

  update(change: (state: LocalState) => void): void {
    change(this.state)
    this.state.version++
    this.wake()
  }

  append(bodies: readonly OpBody[], atMs = Date.now()): void {
    for (const body of bodies) {
      const position = this.entries.length + 1
      const hlc = `${String(atMs).padStart(13, '0')}-${String(position % 1_000_000).padStart(6, '0')}-${this.state.node.nodeId}`
      this.entries.push({ position, nodeId: this.state.node.nodeId, op: { id: randomBytes(16).toString('hex'), hlc, body } })
      this.follow(body)
    }
    this.wake()
  }

  rebuild(bodies: readonly OpBody[]): void {
    this.feedId = randomBytes(8).toString('hex')
    this.entries = []
    this.append(bodies)
  }

  /** As the agent does: settings and camera names become part of the state. */
  private follow(body: OpBody): void {
    if (body.kind === 'node.set') {
      const member = this.state.members.find(({ nodeId }) => nodeId === body.subject)
      const settings = member?.self ? this.state.settings : member?.settings
      if (member && settings) {
        Object.assign(settings, { [body.field]: body.value })
        member.name = settings.name
      }
      this.state.version++
    }
    if (body.kind === 'policy.set') {
      Object.assign(this.state.ring.policy, { [body.field]: body.value })
      this.state.ring.policyEdits[body.field] = this.entries.at(-1)?.op.id ?? null
      this.state.version++
    }
    if (body.kind === 'camera.set') {
      const status = this.state.cameras.find((one) => one.camera.cameraId === body.subject)
      if (status && typeof body.value === 'string') status.camera.name = body.value
      this.state.version++
    }
  }

  private wake(): void {
    for (const wake of this.waiters) wake()
  }

  private async hold(until: () => boolean, ms: number): Promise<void> {
    const deadline = Date.now() + ms
    while (!until() && Date.now() < deadline) {
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          clearTimeout(timer)
          this.waiters.delete(wake)
          resolve()
        }
        const timer = setTimeout(wake, deadline - Date.now())
        this.waiters.add(wake)
      })
      if (!this.server.listening) return
    }
  }

  private async route(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.headers.authorization !== `Bearer ${this.token}`) {
      response.writeHead(401, { 'content-type': 'application/json' }).end(UNAUTHENTICATED_BODY)
      return
    }
    const url = new URL(request.url ?? '/', this.url)
    const key = `${request.method} ${url.pathname}`
    if (key === 'GET /local/state') {
      const after = url.searchParams.get('after')
      if (after !== null) await this.hold(() => this.state.version > Number(after), HOLD_MS)
      send(response, 200, this.state)
    } else if (key === 'GET /local/ops') send(response, 200, await this.readOps(url))
    else if (key === 'GET /local/folders') send(response, 200, this.folders(url.searchParams.get('path'), url.searchParams.get('nodeId')))
    else if (key === 'GET /local/owner') send(response, 200, this.owner)
    else await this.change(key, url, response, /^(GET|DELETE)$/.test(request.method ?? '') ? null : await readBody(request))
  }

  private async change(key: string, url: URL, response: ServerResponse, input: unknown): Promise<void> {
    const command = /^POST \/local\/services\/([a-z-]+)\/command$/.exec(key)
    if (key === 'POST /local/ops') {
      const { ops } = AppendOpsRequest.parse(input)
      const from = this.entries.length
      this.append(ops.map((op) => op.body))
      const added = this.entries.slice(from).map((entry) => ({ id: entry.op.id, hlc: entry.op.hlc, position: entry.position }))
      send(response, 200, { ops: added, durability: this.durability })
    } else if (key === 'PUT /local/owner') {
      this.owner = OwnerCredential.parse(input)
      this.sessions.clear()
      this.update((state) => (state.owner.passwordSet = this.owner.passwordHash !== null))
      send(response, 204, null)
    } else if (key === 'POST /local/sessions') send(response, 200, this.newSession(NewSessionRequest.parse(input)))
    else if (key.startsWith('DELETE /local/sessions/')) {
      const id = url.pathname.split('/').at(-1)
      for (const [cookie, session] of this.sessions) if (session.sessionId === id) this.sessions.delete(cookie)
      send(response, 204, null)
    } else if (command?.[1] !== undefined) {
      const { command: name, params, nodeId } = ServiceCommand.parse(input)
      this.commands.push({ service: command[1], command: name, params, ...(nodeId === undefined ? {} : { nodeId }) })
      send(response, 200, (await this.onCommand(command[1], name, params)) ?? null)
    } else {
      const answer = this.door.answer(key, input)
      if (answer === null) throw new ThatdamError('NOT_FOUND', 'There is nothing here.')
      send(response, ...answer)
    }
  }

  private newSession(request: NewSessionRequest): { cookieValue: string; expiresAtMs: number } {
    if (request.kind === 'handoff' && !this.handoffTokens.delete(request.handoffToken ?? '')) {
      throw new ThatdamError('UNAUTHENTICATED', 'Not signed in.')
    }
    const ticket = request.ticket ?? ''
    const roams = this.door.tickets.get(ticket)
    if (request.kind === 'roam' && !this.door.tickets.delete(ticket)) throw new ThatdamError('UNAUTHENTICATED', 'Not signed in.')
    const kind = request.kind === 'roam' ? (roams?.kind ?? 'password') : request.kind
    const displayName = roams?.displayName ?? request.displayName
    const cookieValue = randomBytes(24).toString('base64url')
    this.sessions.set(cookieValue, { sessionId: randomBytes(8).toString('hex'), kind, displayName })
    return { cookieValue, expiresAtMs: Date.now() + 86_400_000 }
  }

  private async readOps(url: URL): Promise<OpFeed> {
    const after = Number(url.searchParams.get('after') ?? 0)
    const limit = Number(url.searchParams.get('limit') ?? 500)
    const { feedId } = this
    await this.hold(() => this.entries.length > after || this.feedId !== feedId, Number(url.searchParams.get('waitMs') ?? 0))
    const entries = this.entries.slice(after, after + limit)
    return { feedId: this.feedId, entries, position: entries.at(-1)?.position ?? after }
  }
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  let text = ''
  for await (const chunk of request) text += String(chunk)
  return text === '' ? null : JSON.parse(text)
}

function send(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(value === null && status === 204 ? '' : JSON.stringify(value))
}
