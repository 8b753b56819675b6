import type { Database } from '@thatdam/db/client'
import { ThatdamError } from '@thatdam/protocol/errors'
import { type Actor, tellOf, writeAudit } from './audit.ts'
import { checkPassword, hashPassword } from './passwords.ts'
import { SESSION_DAYS } from './session-days.ts'

/** What a session cookie carries beside its signature. */
export interface SessionClaims {
  sessionId: string
  sessionVersion: number
}
export interface SignedIn extends SessionClaims {
  id: string
  email: string
}
/** Who asks, and in which organisation. Every query of a page or a route is made within `organisationId`. */
export interface Person extends Actor {
  email: string
  mustChangePassword: boolean
  organisationName: string
  role: string
  sessionId: string
}

/** A person works in the oldest organisation they belong to. */
const FIRST_MEMBERSHIP = { orderBy: { createdAt: 'asc' }, take: 1 } as const

export class Accounts {
  readonly #db: Database
  constructor(db: Database) {
    this.#db = db
  }

  /** Makes the account and its personal organisation, whose owner it is. @throws ThatdamError CONFLICT when the address has an account. */
  async signUp(input: {
    email: string
    password: string
    mustChangePassword?: boolean
    /** Where the wish came from; null: this server itself. */
    address: string | null
  }): Promise<{ userId: string; organisationId: string }> {
    const passwordHash = await hashPassword(input.password)
    const { email, mustChangePassword = false, address } = input
    try {
      return await this.#db.$transaction(async (tx) => {
        const user = await tx.user.create({ data: { email, passwordHash, mustChangePassword } })
        const organisation = await tx.organisation.create({ data: { name: `${email.split('@')[0] ?? email}’s machines` } })
        await tx.membership.create({ data: { organisationId: organisation.id, userId: user.id, role: 'owner' } })
        await tellOf(tx, { id: user.id, organisationId: organisation.id, address }, { action: 'account.made', subject: email })
        return { userId: user.id, organisationId: organisation.id }
      })
    } catch (error) {
      if ((error as { code?: string }).code !== 'P2002') throw error
      throw new ThatdamError('CONFLICT', `There is already an account for ${email}. Sign in, or use another address.`)
    }
  }

  /** Null when e-mail address and password do not belong together; the owner of that account reads of it. */
  async signIn({ email, password, address }: { email: string; password: string; address: string }): Promise<SignedIn | null> {
    const user = await this.#db.user.findUnique({ where: { email }, include: { memberships: FIRST_MEMBERSHIP } })
    const right = await checkPassword(user?.passwordHash ?? null, password)
    if (user === null) return null
    const organisationId = user.memberships[0]?.organisationId ?? null
    if (!right) {
      await writeAudit(this.#db, { organisationId, actor: 'stranger', action: 'session.refused', subject: email, address })
      return null
    }
    const now = Date.now()
    await this.#db.userSession.deleteMany({ where: { userId: user.id, expiresAt: { lt: new Date(now) } } })
    const session = await this.#db.userSession.create({ data: { userId: user.id, expiresAt: new Date(now + SESSION_DAYS * 86_400_000) } })
    await writeAudit(this.#db, { organisationId, actor: `user:${user.id}`, action: 'session.started', subject: email, address })
    return { id: user.id, email: user.email, sessionId: session.id, sessionVersion: user.sessionVersion }
  }

  /** Asked on every request: a session that was ended anywhere is over at once. */
  async personOf(claims: SessionClaims, address: string): Promise<Person | null> {
    const session = await this.#db.userSession.findUnique({
      where: { id: claims.sessionId },
      include: { user: { include: { memberships: { ...FIRST_MEMBERSHIP, include: { organisation: true } } } } },
    })
    if (session === null || session.expiresAt.getTime() < Date.now()) return null
    const { user } = session
    const membership = user.memberships[0]
    if (user.sessionVersion !== claims.sessionVersion || membership === undefined) return null
    return {
      id: user.id,
      email: user.email,
      mustChangePassword: user.mustChangePassword,
      organisationId: membership.organisationId,
      organisationName: membership.organisation.name,
      role: membership.role,
      sessionId: session.id,
      address,
    }
  }

  /** Ends one session; one that has ended already is left in peace. */
  async signOut(claims: SessionClaims, address: string): Promise<void> {
    const person = await this.personOf(claims, address)
    const { count } = await this.#db.userSession.deleteMany({ where: { id: claims.sessionId } })
    if (person !== null && count > 0) await tellOf(this.#db, person, { action: 'session.ended', subject: person.email })
  }

  /** Ends every session of this person, the one that asks too. */
  async signOutEverywhere(person: Person): Promise<void> {
    await this.#db.$transaction(async (tx) => {
      await tx.user.update({ where: { id: person.id }, data: { sessionVersion: { increment: 1 } } })
      await tx.userSession.deleteMany({ where: { userId: person.id } })
      await tellOf(tx, person, { action: 'session.all-ended', subject: person.email })
    })
  }

  /** Changes the password and ends every session; the person signs in again with the new one. @throws ThatdamError FORBIDDEN, BAD_REQUEST. */
  async changePassword(person: Person, input: { current: string; next: string }): Promise<void> {
    const user = await this.#db.user.findUniqueOrThrow({ where: { id: person.id } })
    if (!(await checkPassword(user.passwordHash, input.current))) {
      await tellOf(this.#db, person, { action: 'password.refused', subject: person.email })
      throw new ThatdamError('FORBIDDEN', 'The current password is not right. Type it again.')
    }
    if (input.current === input.next) throw new ThatdamError('BAD_REQUEST', 'The new password is the current one. Choose another.')
    const passwordHash = await hashPassword(input.next)
    await this.#db.$transaction(async (tx) => {
      await tx.user.update({ where: { id: user.id }, data: { passwordHash, mustChangePassword: false, sessionVersion: { increment: 1 } } })
      await tx.userSession.deleteMany({ where: { userId: user.id } })
      await tellOf(tx, person, { action: 'password.changed', subject: person.email })
    })
  }
}
