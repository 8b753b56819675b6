import { randomUUID } from 'node:crypto'
import { HANDOFF_LIFE_MS, issueHandoffToken } from '@thatdam/control/access-node'
import type { Signer } from '@thatdam/control/keys'
import type { Database } from '@thatdam/db/client'
import type { CloudNode, Prisma } from '@thatdam/db/generated/client'
import { ThatdamError } from '@thatdam/protocol/errors'
import { NodeSettings, type NodeSettingsPatch } from '@thatdam/protocol/settings'
import type { Person } from './accounts.ts'
import { type Actor, tellOf } from './audit.ts'
import { notifyNode } from './node-channel.ts'
import { type NodeView, settingsOf, viewOf } from './node-view.ts'
import { forgetMachine, lockOrganisation } from './ring-rows.ts'

const NODES_MAX = 1_000
type Owner = Actor & Pick<Person, 'email'>

/** Machines of one organisation. Another organisation's id is as unknown as one that never was. */
export class Nodes {
  readonly #db: Database
  readonly #instance: Signer
  constructor(db: Database, instance: Signer) {
    this.#db = db
    this.#instance = instance
  }

  /** `machine`: name of the machine that the browser runs on, when that is known to be this server's. */
  async list(organisationId: string, machine: string | null): Promise<NodeView[]> {
    const rows = await this.#db.cloudNode.findMany({
      where: { organisationId, revokedAt: null },
      orderBy: { nodeId: 'asc' },
      take: NODES_MAX,
    })
    const viewer = { nowMs: Date.now(), machine }
    return rows.map((row) => viewOf(row, viewer))
  }

  async get(organisationId: string, id: string, machine: string | null): Promise<NodeView | null> {
    const row = await this.#db.cloudNode.findFirst({ where: { id, organisationId, revokedAt: null } })
    return row && viewOf(row, { nowMs: Date.now(), machine })
  }

  /** Writes the wishes and wakes the node's held poll with the commit. Null: no such node. */
  async changeSettings(owner: Owner, id: string, patch: NodeSettingsPatch): Promise<NodeView | null> {
    return this.#locked(owner, id, async (tx, row) => {
      const before = settingsOf(row)
      const merged = NodeSettings.parse({ ...before, ...withoutUndefined(patch) })
      const changed = await tx.cloudNode.update({
        where: { id },
        data: { settings: merged, settingsRevision: { increment: 1 }, revision: { increment: 1 } },
      })
      await notifyNode(tx, id)
      await tellOf(tx, owner, { action: 'node.settings', subject: row.nodeId, detail: changedNames(before, merged) })
      return viewOf(changed, { nowMs: Date.now(), machine: null })
    })
  }

  /** Ends the node's access: its held poll closes with the commit, its credentials are refused from then on. */
  async remove(owner: Owner, id: string): Promise<boolean> {
    const removed = await this.#db.$transaction(async (tx) => {
      await lockOrganisation(tx, owner.organisationId)
      return lockedRow(tx, { owner, id }, async (row) => {
        await tx.cloudNode.update({ where: { id }, data: { revokedAt: new Date(), revision: { increment: 1 } } })
        await notifyNode(tx, id)
        await forgetMachine(tx, row)
        await tellOf(tx, owner, { action: 'node.removed', subject: row.nodeId })
        return true
      })
    })
    return removed === true
  }

  /** After two machines presented one identity: the owner says that there is only one (again). */
  async unlock(owner: Owner, id: string): Promise<boolean> {
    const unlocked = await this.#locked(owner, id, async (tx, row) => {
      await tx.cloudNode.update({ where: { id }, data: { lockedAt: null, revision: { increment: 1 } } })
      await notifyNode(tx, id)
      await tellOf(tx, owner, { action: 'node.unlocked', subject: row.nodeId })
      return true
    })
    return unlocked === true
  }

  /**
   * Address of the node's own console with a one-time hand-off, 60 s. Null: no such node.
   * @throws ThatdamError CONFLICT when that console answers only on its own machine, or no address of it is known.
   */
  async consoleUrl(owner: Owner, id: string, machine: string | null): Promise<string | null> {
    const row = await this.#db.cloudNode.findFirst({ where: { id, organisationId: owner.organisationId, revokedAt: null } })
    if (row === null) return null
    const { console: door } = viewOf(row, { nowMs: Date.now(), machine })
    if (door.url === null) throw new ThatdamError('CONFLICT', door.reason)
    const claims = {
      handoffId: randomUUID(),
      nodeId: row.nodeId,
      nodeKey: row.nodeKey,
      userId: owner.id,
      email: owner.email,
      expiresAtMs: Date.now() + HANDOFF_LIFE_MS,
    }
    await tellOf(this.#db, owner, { action: 'console.opened', subject: row.nodeId })
    return `${door.url}/auth/handoff?token=${encodeURIComponent(issueHandoffToken(claims, this.#instance))}`
  }

  async #locked<T>(owner: Owner, id: string, change: (tx: Prisma.TransactionClient, row: CloudNode) => Promise<T>): Promise<T | null> {
    return this.#db.$transaction((tx) => lockedRow(tx, { owner, id }, (row) => change(tx, row)))
  }
}

async function lockedRow<T>(
  tx: Prisma.TransactionClient,
  { owner, id }: { owner: Owner; id: string },
  change: (row: CloudNode) => Promise<T>,
): Promise<T | null> {
  const { organisationId } = owner
  await tx.$queryRaw`SELECT 1 FROM cloud_nodes WHERE id = ${id}::uuid AND "organisationId" = ${organisationId}::uuid FOR UPDATE`
  const row = await tx.cloudNode.findFirst({ where: { id, organisationId, revokedAt: null } })
  return row && change(row)
}

const withoutUndefined = (patch: NodeSettingsPatch) => Object.fromEntries(Object.entries(patch).filter(([, value]) => value !== undefined))

const NAMES: Partial<Record<keyof NodeSettings, string>> = { indexPaths: 'folders to index', quietHours: 'quiet hours' }

/** The settings whose value is another one now, in plain words. */
function changedNames(before: NodeSettings, after: NodeSettings): string {
  const keys = Object.keys(after) as (keyof NodeSettings)[]
  return keys
    .filter((key) => JSON.stringify(before[key]) !== JSON.stringify(after[key]))
    .map((key) => NAMES[key] ?? key)
    .join(', ')
}
