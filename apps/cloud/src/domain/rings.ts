import { keptRoster } from '@thatdam/control/relay'
import type { Database } from '@thatdam/db/client'
import type { Cluster } from '@thatdam/db/generated/client'
import { type Actor, tellOf } from './audit.ts'
import { notifyRing } from './node-channel.ts'
import { keptRecords, lockOrganisation } from './ring-rows.ts'
import type { RingView } from './ring-view.ts'

const ROSTERS_REMEMBERED = 500

/** The one ring of an organisation, as its owner sees it. */
export class Rings {
  readonly #db: Database
  /** Node ids of the members by the digest of the records: folded once for each change, not for each look. */
  readonly #members = new Map<string, readonly string[]>()
  constructor(db: Database) {
    this.#db = db
  }

  async view(organisationId: string): Promise<RingView> {
    const organisation = await this.#db.organisation.findUniqueOrThrow({
      where: { id: organisationId },
      select: { rendezvous: true, cluster: true },
    })
    const { rendezvous, cluster } = organisation
    if (cluster === null) return { state: 'none', founderId: null, genesisHash: null, members: [], rendezvous }
    const founder = await this.#db.cloudNode.findUnique({ where: { nodeKey: cluster.founderKey }, select: { id: true } })
    return {
      state: cluster.confirmedAt === null ? 'founding' : 'founded',
      founderId: founder?.id ?? null,
      genesisHash: cluster.genesisHash,
      members: await this.#membersOf(cluster),
      rendezvous,
    }
  }

  /** Switched off, what machines have left is gone at once. */
  async setRendezvous(owner: Actor, isOn: boolean): Promise<void> {
    const { organisationId } = owner
    await this.#db.$transaction(async (tx) => {
      await lockOrganisation(tx, organisationId)
      const { count } = await tx.organisation.updateMany({
        where: { id: organisationId, rendezvous: !isOn },
        data: { rendezvous: isOn },
      })
      if (count === 0) return
      if (!isOn) await tx.rendezvous.deleteMany({ where: { organisationId } })
      await notifyRing(tx, organisationId, 'all')
      await tellOf(tx, owner, { action: isOn ? 'rendezvous.on' : 'rendezvous.off', subject: organisationId })
    })
  }

  async #membersOf(cluster: Cluster): Promise<readonly string[]> {
    const key = `${cluster.genesisHash} ${cluster.digest}`
    const known = this.#members.get(key)
    if (known !== undefined) return known
    const members = [...keptRoster(await keptRecords(this.#db, cluster)).members.keys()]
    this.#members.set(key, members)
    if (this.#members.size > ROSTERS_REMEMBERED) for (const oldest of this.#members.keys()) if (this.#members.delete(oldest)) break
    return members
  }
}
