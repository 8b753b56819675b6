/**
 * node src/server/bootstrap.ts: makes the first owner when nobody has an account yet, and a join token for this machine.
 * Works beside the running server. Prints one line of JSON: {email, oneTimePassword, joinToken}; `oneTimePassword` is null once the owner
 * has chosen a password. Environment: src/env.ts.
 */
import { randomInt } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { Accounts } from '../domain/accounts.ts'
import { Email, Password } from '../domain/credentials.ts'
import { hashPassword } from '../domain/passwords.ts'
import { TokenChoice } from '../domain/token-choice.ts'
import { Tokens } from '../domain/tokens.ts'
import { type Env, readEnv } from '../env.ts'
import { openDatabase, type OpenDatabase } from './database.ts'
import { loadSecrets } from './state.ts'

/** 16 letters and digits that are not mistaken for each other: 79 bits. */
function makeOneTimePassword(): string {
  const letters = 'abcdefghjkmnpqrstuvwxyz23456789'
  const one = () => letters[randomInt(letters.length)] ?? ''
  return Array.from({ length: 4 }, () => Array.from({ length: 4 }, one).join('')).join('-')
}

interface FirstOwner {
  id: string
  email: string
  organisationId: string
  oneTimePassword: string | null
}

async function firstOwner(db: OpenDatabase['db'], env: Env): Promise<FirstOwner> {
  const user = await db.user.findFirst({
    orderBy: { createdAt: 'asc' },
    include: { memberships: { orderBy: { createdAt: 'asc' }, take: 1 } },
  })
  if (user === null) {
    const email = Email.parse(env.FIRST_OWNER_EMAIL)
    const given =
      env.FIRST_OWNER_PASSWORD_FILE === undefined ? null : Password.parse(readFileSync(env.FIRST_OWNER_PASSWORD_FILE, 'utf8').trim())
    const oneTimePassword = given === null ? makeOneTimePassword() : null
    const made = await new Accounts(db).signUp({
      email,
      password: given ?? oneTimePassword ?? '',
      mustChangePassword: given === null,
      address: null,
    })
    return { id: made.userId, email, organisationId: made.organisationId, oneTimePassword }
  }
  const owner = { id: user.id, email: user.email, organisationId: user.memberships[0]?.organisationId ?? '' }
  if (!user.mustChangePassword) return { ...owner, oneTimePassword: null }
  // Nobody has signed in yet, and the password that was printed is not kept: a new one takes its place.
  const oneTimePassword = makeOneTimePassword()
  await db.user.update({
    where: { id: user.id },
    data: { passwordHash: await hashPassword(oneTimePassword), sessionVersion: { increment: 1 } },
  })
  return { ...owner, oneTimePassword }
}

async function main(): Promise<void> {
  const env = readEnv()
  const { instance } = loadSecrets(env.DATA_ROOT, env.NEXTAUTH_SECRET)
  const { db, postgres } = await openDatabase(env)
  try {
    const owner = await firstOwner(db, env)
    const token = await new Tokens(db, instance).make({ ...owner, address: null }, TokenChoice.parse({}))
    console.log(JSON.stringify({ email: owner.email, oneTimePassword: owner.oneTimePassword, joinToken: token.text }))
  } finally {
    await db.$disconnect()
    if (!postgres.attached) await postgres.stop()
  }
}

try {
  await main()
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
