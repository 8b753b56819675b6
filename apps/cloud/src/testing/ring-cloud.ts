import path from 'node:path'
import { sampleAdmission } from '@thatdam/control/testing/samples'
import { createClient, type Database } from '@thatdam/db/client'
import { startPostgres } from '@thatdam/db/postgres'
import type { JoinResponse } from '@thatdam/protocol/join'
import { PollResponse } from '@thatdam/protocol/poll'
import type { RosterRecord } from '@thatdam/protocol/roster'
import { type Browser, signedUp } from './browser.ts'
import { type CloudProcess, startCloud } from './cloud-process.ts'
import { Machine } from './machine.ts'
import { makeToken } from './owner.ts'

/** The real server with what its database holds, and the one whose machines join it. */
export class RingCloud {
  readonly url: string
  readonly db: Database
  readonly #process: CloudProcess
  #owner: Browser | null = null
  #owners = 0

  static async start(): Promise<RingCloud> {
    const cloud = await startCloud()
    const postgres = await startPostgres({ dataDir: path.join(cloud.dataRoot, 'pg') })
    return new RingCloud(cloud, createClient(postgres.url('thatdam_cloud'), 2))
  }

  private constructor(process: CloudProcess, db: Database) {
    this.url = process.url
    this.db = db
    this.#process = process
  }

  async stop(): Promise<void> {
    await this.db.$disconnect()
    await this.#process.stop()
    this.#process.remove()
  }

  get owner(): Browser {
    if (this.#owner === null) throw new Error('nobody has signed up: call changeOwner() before each test')
    return this.#owner
  }

  /** From now on machines join the organisation of somebody new, which has none yet. */
  async changeOwner(): Promise<void> {
    this.#owner = await signedUp(this.url, `owner-${(this.#owners += 1)}@example.org`)
  }

  machine(nodeId: string): Machine {
    return new Machine(this.url, nodeId)
  }

  /** Joins with a token of the owner and has its credential. */
  async join(machine: Machine, ring?: Parameters<Machine['join']>[1]): Promise<JoinResponse> {
    const answer = await machine.join((await makeToken(this.owner)).text, ring)
    if (answer.status !== 201) throw new Error(`${answer.status} ${answer.text}`)
    await machine.renew()
    return answer.json<JoinResponse>()
  }

  rowOf(machine: Machine) {
    return this.db.cloudNode.findUniqueOrThrow({ where: { nodeKey: machine.self.node.publicKey } })
  }

  async ringRow(machine: Machine) {
    return this.db.cluster.findUnique({ where: { organisationId: (await this.rowOf(machine)).organisationId } })
  }

  /** As if the lease had begun so long ago. */
  async age(machine: Machine, ms: number): Promise<void> {
    const { organisationId } = await this.rowOf(machine)
    await this.db.cluster.update({ where: { organisationId }, data: { appointedAt: new Date(Date.now() - ms) } })
  }
}

export const polled = async (machine: Machine, ...asked: Parameters<Machine['poll']>): Promise<PollResponse> =>
  PollResponse.parse((await machine.poll(...asked)).json())

export const admitted = (founder: Machine, machine: Machine): RosterRecord =>
  sampleAdmission(founder.self.node, { publicKey: machine.self.node.publicKey, nodeId: machine.self.nodeId }, founder.self.genesis)
