import { randomUUID } from 'node:crypto'
import type { Signer } from '@thatdam/control/keys'
import { fingerprint } from '@thatdam/control/keys'
import { makeToken, newRingScope } from '@thatdam/control/token'
import type { Database } from '@thatdam/db/client'
import { type Actor, tellOf } from './audit.ts'
import { plural } from './plural.ts'
import type { TokenChoice } from './token-choice.ts'

/** Unused tokens of one organisation that live at the same time. */
const LIVE_TOKENS_MAX = 200

export interface MadeToken {
  id: string
  /** The secret text, shown once. */
  text: string
  /** From now: the browser's clock may be another. */
  expiresInMs: number
  machines: number
}
/** A token that still takes machines. */
export interface OpenToken {
  id: string
  madeAgoMs: number
  /** E-mail address. */
  madeBy: string
  expiresInMs: number
  machines: number
  usesLeft: number
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

  async make(owner: Actor, choice: TokenChoice): Promise<MadeToken> {
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
      await tellOf(tx, owner, { action: 'token.made', subject: id, detail: choiceText(choice) })
    })
    return { id, text, expiresInMs: expiresAt.getTime() - createdAt.getTime(), machines: choice.machines }
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

  /** Those that a machine could still join with, newest first. */
  async open(organisationId: string): Promise<OpenToken[]> {
    const now = Date.now()
    const rows = await this.#db.joinToken.findMany({
      where: { organisationId, revokedAt: null, expiresAt: { gt: new Date(now) }, uses: { lt: this.#db.joinToken.fields.usesMax } },
      orderBy: { createdAt: 'desc' },
      take: LIVE_TOKENS_MAX,
      include: { createdBy: { select: { email: true } } },
    })
    return rows.map((row) => ({
      id: row.id,
      madeAgoMs: Math.max(0, now - row.createdAt.getTime()),
      madeBy: row.createdBy.email,
      expiresInMs: row.expiresAt.getTime() - now,
      machines: row.usesMax,
      usesLeft: row.usesMax - row.uses,
    }))
  }

  /** Twice is harmless. @returns false when this organisation has no such token. */
  async revoke(owner: Actor, id: string): Promise<boolean> {
    const { organisationId } = owner
    return this.#db.$transaction(async (tx) => {
      const { count } = await tx.joinToken.updateMany({ where: { id, organisationId, revokedAt: null }, data: { revokedAt: new Date() } })
      if (count > 0) await tellOf(tx, owner, { action: 'token.revoked', subject: id })
      return count > 0 || (await tx.joinToken.count({ where: { id, organisationId } })) > 0
    })
  }
}

/** "5 machines, valid for 2 hours". */
function choiceText({ machines, lifeMinutes }: TokenChoice): string {
  const units = [
    { minutes: 1440, unit: 'day' },
    { minutes: 60, unit: 'hour' },
  ]
  const { minutes, unit } = units.find((one) => lifeMinutes % one.minutes === 0) ?? { minutes: 1, unit: 'minute' }
  return `${plural(machines, 'machine')}, valid for ${plural(lifeMinutes / minutes, unit)}`
}
