import { readJson } from '@thatdam/control/http-io'
import { type OpAuthors, opAuthors } from '@thatdam/control/op-authors'
import type { Roster } from '@thatdam/control/roster'
import type { OpLog } from '@thatdam/oplog/disk/log'
import { OpSync, type OpSyncStatus } from '@thatdam/oplog/sync/op-sync'
import type { SyncNews, SyncPeer } from '@thatdam/oplog/sync/ports'
import { SyncRequest } from '@thatdam/protocol/op-sync'
import type { OpScope } from '@thatdam/protocol/ops'
import type { PlanBody } from '@thatdam/protocol/plan'
import { json, memberOf, type NodeRoute } from '../link/server.ts'
import type { Log } from '../log.ts'
import type { Formers } from '../meet/formers.ts'
import { parseBody } from './body.ts'
import type { RingPart } from './ring-part.ts'

const CALL_MS_MAX = 10_000
const BODY_BYTES_MAX = 4 * 1024 * 1024
const ALL: readonly OpScope[] = ['ring', 'library']
const RING_ONLY: readonly OpScope[] = ['ring']
/** A copied disk, a stolen key, a machine that does what it may not, one to be updated. The rest mends itself. */
const FOR_THE_OWNER: ReadonlySet<SyncNews['kind']> = new Set(['fork', 'faulty-batch', 'refused-ops', 'newer-ops'])

export interface OpSyncPartPorts {
  readonly oplog: OpLog
  readonly part: () => RingPart
  readonly nodeId: string
  readonly formers: Formers
  /** What each member runs, as far as this node can tell. */
  readonly planOf: (nodeId: string) => PlanBody | null
  readonly clockTrusted: () => boolean
  readonly changed: () => void
  readonly log: Log
  /** For the log, and for the owner to see beside this machine. */
  readonly notice: (sentence: string) => void
}

/** Sockets, roster and plans for the op-log's exchange with the other members. */
export class OpSyncPart {
  readonly sync: OpSync
  private readonly ports: OpSyncPartPorts
  private known: { readonly roster: Roster; readonly version: number; readonly authors: OpAuthors } | null = null
  private judgedBy: OpAuthors | null = null

  constructor(ports: OpSyncPartPorts) {
    this.ports = ports
    const { oplog, nodeId, log, notice } = ports
    this.sync = new OpSync({
      log: oplog,
      scopes: () => this.scopesOf(nodeId),
      peers: () => this.peers(),
      call: async (peer, request, signal) => {
        const { client, store } = ports.part()
        const publicKey = store.member(peer)?.publicKey
        if (publicKey === undefined) throw new Error(`${peer} is no member of the ring`)
        return (await client.call({ publicKey, method: 'POST', path: '/v1/ops', body: request, timeoutMs: CALL_MS_MAX, signal })).body
      },
      author: (author, signer) => this.authors()(author, signer),
      clockTrusted: ports.clockTrusted,
      monotonicMs: () => performance.now(),
      random: Math.random,
      changed: ports.changed,
      news: (news) => (FOR_THE_OWNER.has(news.kind) ? notice(sentenceOf(news)) : log.warn(sentenceOf(news))),
      warn: (message, error) => log.debug(`${message}: ${error instanceof Error ? error.message : String(error)}`),
    })
  }

  route(): NodeRoute {
    return {
      method: 'POST',
      path: '/v1/ops',
      run: async (call) => {
        const { nodeId } = memberOf(call)
        return json(await this.sync.answer(parseBody(SyncRequest, await readJson(call.request, BODY_BYTES_MAX)), nodeId))
      },
    }
  }

  /** The roster, or a former ring's, may have changed: what its authors wrote may count differently now. Judging reads all batches and waits for the disk. */
  rosterChanged(): void {
    const authors = this.authors()
    if (authors === this.judgedBy) return
    const { withdrawn } = this.ports.oplog.rejudge(authors)
    this.judgedBy = authors
    if (withdrawn > 0) this.ports.log.info(`${withdrawn} entries of machines that had no right to them do not count any more`)
  }

  get status(): OpSyncStatus {
    return this.sync.status()
  }

  /** Asked for each batch, and made anew only when one of the rosters is another. */
  private authors(): OpAuthors {
    const { part, formers } = this.ports
    const { roster, fingerprint } = part().store
    const { version } = formers
    if (this.known?.roster === roster && this.known.version === version) return this.known.authors
    const authors = opAuthors([roster, ...formers.goneOverTo(fingerprint).map((one) => one.roster)])
    this.known = { roster, version, authors }
    return authors
  }

  /** Catalog and store nodes carry everything, all others what the ring shares beside its media (and what they wrote themselves). */
  private scopesOf(nodeId: string): readonly OpScope[] {
    const services = this.ports.planOf(nodeId)?.services ?? []
    return services.some(({ name }) => name === 'catalog' || name === 'blob-store') ? ALL : RING_ONLY
  }

  /** Awake members, leader and standbys first: copies go there first. */
  private peers(): SyncPeer[] {
    const { part, planOf } = this.ports
    const { awake } = part()
    const leader = part().leader()?.nodeId
    const rank = (nodeId: string): number => (nodeId === leader ? 0 : planOf(nodeId)?.standby === true ? 1 : 2)
    return part()
      .others()
      .filter(({ nodeId }) => awake.has(nodeId))
      .toSorted((a, b) => rank(a.nodeId) - rank(b.nodeId))
      .map(({ nodeId }) => ({ nodeId, scopes: this.scopesOf(nodeId) }))
  }
}

function sentenceOf(news: SyncNews): string {
  switch (news.kind) {
    case 'faulty-batch':
      return `A part of the op log ${news.logId} that ${news.by} sent was not taken: it is not as its author signed it (${news.fault}).`
    case 'refused-ops':
      return `${news.nodeId} wrote ${news.count} entries that it has no right to; they count nowhere.`
    case 'newer-ops':
      return `${news.nodeId} runs a newer version of ThatDAM: some of what it writes counts here once this machine is updated. Nothing is lost.`
    case 'held-ops':
      return `${news.count} entries of ${news.nodeId} are from the future; they wait. Look at the clock of that machine.`
    case 'fork':
      return `The op log ${news.logId} has two entries at one place (${news.sequence}): that machine’s disk was copied, or its key is in other hands. Run “thatdam rekey” on the one that is real.`
    case 'restored':
      return `This machine’s disk is older than what it had written already: it goes on under a new name for its log, and nothing is lost.`
    case 'clock-was-ahead':
      return `This machine’s clock was far ahead: ${news.withdrawn} entries are written again with the right time.`
  }
  return ''
}
