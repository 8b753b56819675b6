import { readJson } from '@thatdam/control/http-io'
import type { Member } from '@thatdam/control/roster'
import type { Json } from '@thatdam/protocol/canonical'
import { ThatdamError } from '@thatdam/protocol/errors'
import { FolderListing, type ServiceCommand } from '@thatdam/protocol/local'
import { type MemberAdoption, MemberCommand, MemberCommandAnswer } from '@thatdam/protocol/member'
import type { ServiceName, Term } from '@thatdam/protocol/plan'
import { Adoption } from '@thatdam/protocol/ring-door'
import type { NodeClient } from '../link/client.ts'
import { json, memberOf, type NodeCall, type NodeRoute } from '../link/server.ts'
import { listFolders } from '../local-api/folders.ts'
import { parseBody } from './body.ts'

const COMMAND_BYTES_MAX = 1024 * 1024
const COMMAND_MS_MAX = 35_000
const FOLDERS_MS_MAX = 10_000
/** A machine that was just heard gets eight seconds to come. */
const ADOPT_MS_MAX = 12_000

type Params = Readonly<Record<string, Json>>

export interface OrderPorts {
  readonly client: () => NodeClient
  readonly member: (nodeId: string) => Member | null
  /** The term under which this node may order something at this instant; null: it does not lead. */
  readonly orderTerm: () => Term | null
  /** Whether an order of this term may be carried out here; notes it. */
  readonly accept: (term: Term) => boolean
  /** On this machine. */
  readonly run: (service: ServiceName, command: string, params: Params) => Promise<Json>
}

/** What the leader has other machines do at once, for a person at its console. Every order carries the term under which it was given. */
export class Orders {
  private readonly ports: OrderPorts

  constructor(ports: OrderPorts) {
    this.ports = ports
  }

  /** @throws ThatdamError CONFLICT where this machine does not lead, UNAVAILABLE when the other one is away, else what its service answers. */
  async command(nodeId: string, service: ServiceName, { command, params }: ServiceCommand): Promise<Json> {
    const term = this.requireTerm()
    const body: MemberCommand = { version: 1, term, service, command, params }
    const { publicKey } = this.requireMember(nodeId)
    const answer = await this.ports.client().call({ publicKey, method: 'POST', path: '/v1/command', body, timeoutMs: COMMAND_MS_MAX })
    return MemberCommandAnswer.parse(answer.body).value
  }

  /** The owner's word on a machine that waits at another member's door. @throws ThatdamError as `command`. */
  async adopt(nodeId: string, said: MemberAdoption['said']): Promise<Adoption> {
    const body: MemberAdoption = { version: 1, term: this.requireTerm(), said }
    const { publicKey } = this.requireMember(nodeId)
    const answer = await this.ports.client().call({ publicKey, method: 'POST', path: '/v1/adoptions', body, timeoutMs: ADOPT_MS_MAX })
    return Adoption.parse(answer.body)
  }

  /** Whoever asks leads, by this term. @throws ThatdamError FORBIDDEN, STALE_TERM. */
  obey(call: NodeCall, term: Term): Member {
    const member = memberOf(call)
    const { nodeId } = member
    if (term.nodeId !== nodeId) throw new ThatdamError('FORBIDDEN', `${nodeId} gives an order in the name of ${term.nodeId}.`)
    if (!this.ports.accept(term)) throw new ThatdamError('STALE_TERM', `${nodeId} led once, and does no more.`)
    return member
  }

  async folders(nodeId: string, path: string | null): Promise<FolderListing> {
    const { publicKey } = this.requireMember(nodeId)
    const query = path === null ? '' : `?${new URLSearchParams({ path })}`
    const answer = await this.ports.client().call({ publicKey, method: 'GET', path: `/v1/folders${query}`, timeoutMs: FOLDERS_MS_MAX })
    return FolderListing.parse(answer.body)
  }

  routes(): NodeRoute[] {
    return [
      {
        method: 'POST',
        path: '/v1/command',
        run: async (call) => {
          const order = parseBody(MemberCommand, await readJson(call.request, COMMAND_BYTES_MAX))
          this.obey(call, order.term)
          return json({ value: await this.ports.run(order.service, order.command, order.params) })
        },
      },
      { method: 'GET', path: '/v1/folders', run: async (call) => json(await this.listFor(call)) },
    ]
  }

  private async listFor(call: NodeCall): Promise<FolderListing> {
    const { nodeId, admitter } = memberOf(call)
    if (!admitter) throw new ThatdamError('FORBIDDEN', `${nodeId} does not carry the console of this ring.`)
    return await listFolders(call.query.get('path'))
  }

  private requireTerm(): Term {
    const term = this.ports.orderTerm()
    if (term !== null) return term
    throw new ThatdamError('CONFLICT', 'This machine does not lead the ring now. Open the console of the one that does.')
  }

  private requireMember(nodeId: string): Member {
    const member = this.ports.member(nodeId)
    if (member !== null) return member
    throw new ThatdamError('NOT_FOUND', `There is no machine ${nodeId} in the ring.`)
  }
}
