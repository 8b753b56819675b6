import { randomBytes } from 'node:crypto'
import { readJson as readBody } from '@thatdam/control/http-io'
import { judgeJoinIntent } from '@thatdam/control/join-intent'
import { RateLimiter } from '@thatdam/control/rate-limits'
import { handleRingHello, handleRingJoin, type RingAuditEvent, type RingJoinContext } from '@thatdam/control/ring-join-server'
import { RingTokenBook } from '@thatdam/control/ring-tokens'
import { admit, nameKnownOwnerKey, raise, remove, retire } from '@thatdam/control/roster-edit'
import { ThatdamError } from '@thatdam/protocol/errors'
import { RingTokensFile, type RingToken } from '@thatdam/protocol/ring-join'
import type { JoinTokenInfo, JoinTokenList, NewJoinToken, NewJoinTokenRequest } from '@thatdam/protocol/ring-door'
import type { RosterRecord } from '@thatdam/protocol/roster'
import { readJson, writeFileDurable } from '@thatdam/store/durable'
import type { NodeCall, NodeRoute } from '../link/server.ts'
import type { Log } from '../log.ts'
import type { Identity } from '../state/identity.ts'
import type { StatePaths } from '../state/paths.ts'
import type { CloudRing } from './cloud-link.ts'
import type { RingHost } from './ring-host.ts'

const JOIN_BYTES_MAX = 64 * 1024
/** Before another admitter than the leader lets in a machine that the cloud says waits. */
const LEADERS_TURN_MS = 5_000

export interface RingDoorPorts {
  readonly host: RingHost
  readonly identity: Identity
  readonly paths: StatePaths
  readonly log: Log
  /** Where installers are served for machines that have no agent yet; null: nowhere. */
  readonly installUrl: () => string | null
  readonly changed: () => void
}

/** Who comes into this node’s ring and who leaves it. What is signed here is signed only where this node is an admitter; else the sentence says so. */
export class RingDoor {
  private readonly ports: RingDoorPorts
  private readonly limiter = new RateLimiter()
  private readonly nonceSecret = randomBytes(32)
  private waiting: {
    readonly intents: Parameters<CloudRing['onJoinIntents']>[0]
    readonly cloud: Parameters<CloudRing['onJoinIntents']>[1]
  } | null = null
  private later: NodeJS.Timeout | null = null
  private book: { readonly fingerprint: string; readonly tokens: Promise<RingTokenBook> } | null = null

  constructor(ports: RingDoorPorts) {
    this.ports = ports
  }

  /** Open routes of the node API, for machines that come with a token. */
  routes(): NodeRoute[] {
    const open = { method: 'POST', open: true } as const
    return [
      { ...open, path: '/v1/join/hello', run: async (call) => handleRingHello(await bodyOf(call), await this.contextOf(call)) },
      {
        ...open,
        path: '/v1/join',
        run: async (call) => {
          const answer = await handleRingJoin(await bodyOf(call), await this.contextOf(call))
          if (answer.status < 300) void this.ports.host.part.spread()
          return answer
        },
      },
    ]
  }

  async joinTokens(): Promise<JoinTokenList> {
    const nowMs = Date.now()
    const tokens = (await this.tokens()).list()
    const good = tokens.filter((one) => one.revokedAtMs === null && one.expiresAtMs > nowMs && one.redemptions.length < one.maxUses)
    return { tokens: good.map(infoOf) }
  }

  async makeJoinToken({ machines, lifeMinutes }: NewJoinTokenRequest): Promise<NewJoinToken> {
    this.requireAdmitter()
    const book = await this.tokens()
    const { text, token } = await book.mint({ nowMs: Date.now(), lifeMs: lifeMinutes * 60_000, uses: machines })
    return { id: token.tokenKey, text, expiresAtMs: token.expiresAtMs, installUrl: this.ports.installUrl() }
  }

  async revokeJoinToken(id: string): Promise<void> {
    if (await (await this.tokens()).revoke(id, Date.now())) return
    throw new ThatdamError('NOT_FOUND', 'There is no such join token on this machine.')
  }

  /** Another machine: it is put out. This one: it leaves, and is a ring of one from then on. */
  async removeMember(nodeId: string): Promise<void> {
    const { host, identity, log } = this.ports
    const isOwn = nodeId === identity.nodeId
    if (!isOwn) this.requireAdmitter()
    if (isOwn && host.store.roster.members.size === 1) {
      throw new ThatdamError('CONFLICT', 'This machine is the only one of its ring: there is nothing to leave.')
    }
    const { store, part } = host
    await store.edit(identity.key, (desk) => (isOwn ? retire(desk) : remove(desk, nodeId)))
    log.info(isOwn ? 'this machine left its ring' : `${nodeId} was removed from the ring`)
    await part.spread()
  }

  /** The leader makes those that stand by admitters, so that the ring goes on letting machines in without it. */
  async raiseStandbys(standbys: readonly string[]): Promise<void> {
    const { host, identity, log } = this.ports
    if (!this.isAdmitter()) return
    let isAny = false
    for (const nodeId of standbys) {
      if (host.store.member(nodeId)?.admitter !== false) continue
      const raised = await host.store.edit(identity.key, (desk) =>
        desk.roster.members.get(nodeId)?.admitter === false ? raise(desk, nodeId) : null,
      )
      if (raised !== null) log.info(`${nodeId} stands by, and may let machines in from now on`)
      isAny ||= raised !== null
    }
    // Nobody waits for it: a machine that does not answer would keep the leader from its own plan.
    if (isAny) void host.part.spread()
  }

  /** After each change of the roster: what an admitter owes the ring. */
  async rosterChanged(): Promise<void> {
    if (this.isAdmitter()) await this.ports.host.store.edit(this.ports.identity.key, nameKnownOwnerKey)
  }

  /** The ring's side of the cloud's loops. */
  cloudRing(): CloudRing {
    const { host, changed } = this.ports
    return {
      own: () => ({ genesisHash: host.store.fingerprint, records: host.store.all(), members: host.store.roster.members.size }),
      onJoinIntents: async (intents, cloud) => {
        this.waiting = { intents, cloud }
        if (this.isFirstAdmitter()) await this.letInWaiting()
        else this.later ??= setTimeout(() => void this.letInLate(), LEADERS_TURN_MS)
      },
      onRosterRecords: async ({ records }) => {
        await host.adopt(records)
        changed()
      },
    }
  }

  /** Machines that the cloud said wait: when this one becomes an admitter or the leader, it lets them in. Known ones are passed over. */
  async letInWaiting(): Promise<void> {
    if (!this.isAdmitter() || this.waiting === null) return
    const { intents, cloud } = this.waiting
    for (const intent of intents) await this.letIn(intent, cloud)
  }

  /** The leader had its turn, and may not hear the cloud. */
  private async letInLate(): Promise<void> {
    this.later = null
    await this.letInWaiting().catch((error: unknown) => this.ports.log.error('machines that wait could not be let in', error))
  }

  stop(): void {
    if (this.later) clearTimeout(this.later)
  }

  /** Records that a token brought: this machine goes into that ring. */
  async enter(records: readonly RosterRecord[]): Promise<void> {
    await this.ports.host.adopt(records)
    this.ports.changed()
  }

  private async letIn(intent: Parameters<typeof judgeJoinIntent>[0], cloud: Parameters<CloudRing['onJoinIntents']>[1]): Promise<void> {
    const { host, identity, log } = this.ports
    const { store } = host
    const decision = judgeJoinIntent(intent, { ...cloud, genesisHash: store.fingerprint }, store.roster)
    if (decision.kind === 'refused') log.warn(`${intent.transcript.nodeId} was not let into the ring: ${decision.why}`)
    if (decision.kind !== 'admit') return
    const { nodeId, publicKey, bootCounter } = decision
    await store.edit(identity.key, (desk) => (desk.roster.byKey.has(publicKey) ? null : admit(desk, { nodeId, publicKey, bootCounter })))
    log.info(`${nodeId} was let into the ring: the cloud vouches for its join token`)
    void host.part.spread()
    this.ports.changed()
  }

  /** The leader lets machines in; where it may not, or there is none, every admitter does: twice is harmless. */
  private isFirstAdmitter(): boolean {
    const { host, identity } = this.ports
    const leader = host.part.leader()?.nodeId
    return leader === undefined || leader === identity.nodeId || host.store.member(leader)?.admitter !== true
  }

  private isAdmitter(): boolean {
    const { host, identity } = this.ports
    return host.store.member(identity.nodeId)?.admitter === true
  }

  private requireAdmitter(): void {
    if (this.isAdmitter()) return
    throw new ThatdamError(
      'FORBIDDEN',
      'This machine may not let others in or put them out. Do it in the console of the machine that leads.',
    )
  }

  private tokens(): Promise<RingTokenBook> {
    const { host, paths } = this.ports
    const { fingerprint, clusterId } = host.store
    if (this.book?.fingerprint === fingerprint) return this.book.tokens
    const open = async (): Promise<RingTokenBook> => {
      const known = await readJson(paths.ringTokens, RingTokensFile)
      return new RingTokenBook({ clusterId, fingerprint }, known, (file) => writeFileDurable(paths.ringTokens, `${JSON.stringify(file)}\n`))
    }
    const book = { fingerprint, tokens: open() }
    this.book = book
    // The disk may do better, or the file be mended, by the next time: only what was opened is kept.
    book.tokens.catch(() => {
      if (this.book === book) this.book = null
    })
    return book.tokens
  }

  private async contextOf({ address }: NodeCall): Promise<RingJoinContext> {
    const { host, identity } = this.ports
    return {
      node: identity.key,
      nonceSecret: this.nonceSecret,
      ring: host.store.keeper,
      tokens: await this.tokens(),
      limiter: this.limiter,
      audit: (event) => this.tell(event),
      address,
      nowMs: Date.now(),
    }
  }

  private tell({ kind, nodeId, address, detail }: RingAuditEvent): void {
    this.ports.log.info(`${kind}: ${nodeId ?? 'somebody'} from ${address}, ${detail}`)
  }
}

const bodyOf = ({ request }: NodeCall): Promise<unknown> => readBody(request, JOIN_BYTES_MAX)

const infoOf = (token: RingToken): JoinTokenInfo => ({
  id: token.tokenKey,
  machines: token.maxUses,
  used: token.redemptions.length,
  madeAtMs: token.createdAtMs,
  expiresAtMs: token.expiresAtMs,
})
