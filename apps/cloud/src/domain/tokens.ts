import { randomUUID } from 'node:crypto'
import type { Signer } from '@thatdam/control/keys'
import { fingerprint } from '@thatdam/control/keys'
import { makeToken, newRingScope } from '@thatdam/control/token'
import type { Database } from '@thatdam/db/client'
import type { Person } from './accounts.ts'
import { writeAudit } from './audit.ts'
import type { TokenChoice } from './token-choice.ts'

/** Unused tokens of one organisation that live at the same time. */
const LIVE_TOKENS_MAX = 200

export interface MadeToken {
  id: string
  /** The secret text, shown once. */
  text: string
  expiresAtMs: number
  machines: number
}
export interface TokenProgress {
  state: 'waiting' | 'connected' | 'expired' | 'revoked'
  machines: number
  /** Machines that used it, newest last. */
  joined: { id: string; name: string }[]
}

export class Tokens {
  readonly #db: Database
  readonly #instance: Signer
  constructor(db: Database, instance: Signer) {
    this.#db = db
    this.#instance = instance
  }

  async make(owner: Pick<Person, 'id' | 'organisationId'>, choice: TokenChoice): Promise<MadeToken> {
    const scope = newRingScope(owner.organisationId)
    const { text, tokenKey } = makeToken(scope, fingerprint(this.#instance.publicKey))
    const createdAt = new Date()
    const expiresAt = new Date(createdAt.getTime() + choice.lifeMinutes * 60_000)
    const { organisationId } = owner
    const id = randomUUID()
    await this.#db.$transaction(async (tx) => {
      const surplus = await tx.joinToken.findMany({
        where: { organisationId, revokedAt: null, expiresAt: { gt: createdAt } },
        orderBy: { createdAt: 'desc' },
        skip: LIVE_TOKENS_MAX - 1,
        select: { id: true },
      })
      await tx.joinToken.updateMany({ where: { id: { in: surplus.map((token) => token.id) } }, data: { revokedAt: createdAt } })
      await tx.joinToken.create({
        data: { id, organisationId, createdById: owner.id, scope, tokenKey, usesMax: choice.machines, createdAt, expiresAt },
      })
      const detail = `${choice.machines} machine(s), ${choice.lifeMinutes} min`
      await writeAudit(tx, { organisationId, actor: `user:${owner.id}`, action: 'token.made', subject: id, detail })
    })
    return { id, text, expiresAtMs: expiresAt.getTime(), machines: choice.machines }
  }

  /** Null when this organisation has no such token. */
  async progress(organisationId: string, id: string): Promise<TokenProgress | null> {
    const token = await this.#db.joinToken.findFirst({
      where: { id, organisationId },
      include: { redemptions: { orderBy: { redeemedAt: 'asc' } } },
    })
    if (token === null) return null
    const nodes = await this.#db.cloudNode.findMany({
      where: { organisationId, nodeKey: { in: token.redemptions.map((used) => used.nodeKey) } },
      select: { id: true, nodeId: true, nodeKey: true },
    })
    const joined = token.redemptions
      .flatMap((used) => nodes.filter((node) => node.nodeKey === used.nodeKey))
      .map(({ id: row, nodeId }) => ({ id: row, name: nodeId }))
    const state =
      joined.length > 0 ? 'connected' : token.revokedAt ? 'revoked' : token.expiresAt.getTime() <= Date.now() ? 'expired' : 'waiting'
    return { state, machines: token.usesMax, joined }
  }

  /** @returns false when this organisation has no such token. */
  async revoke(person: Person, id: string): Promise<boolean> {
    const { organisationId } = person
    const { count } = await this.#db.joinToken.updateMany({
      where: { id, organisationId, revokedAt: null },
      data: { revokedAt: new Date() },
    })
    if (count > 0)
      await writeAudit(this.#db, { organisationId, actor: `user:${person.id}`, action: 'token.revoked', subject: id, detail: '' })
    return count > 0 || (await this.#db.joinToken.count({ where: { id, organisationId } })) > 0
  }
}
