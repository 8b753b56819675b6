import { cookies, headers } from 'next/headers'
import { redirect } from 'next/navigation'
import { decode } from 'next-auth/jwt'
import * as z from 'zod'
import type { Person } from '../domain/accounts.ts'
import { runtime } from '../runtime.ts'

const COOKIES = ['__Secure-next-auth.session-token', 'next-auth.session-token']
/** What the cookie's token says of the session. */
export const Claims = z.object({ sessionId: z.uuid(), sessionVersion: z.number().int() })

/** Who asks, looked up anew for every request: a session that was ended is over at once. */
export async function currentPerson(): Promise<Person | null> {
  const jar = await cookies()
  const token = COOKIES.map((name) => jar.get(name)?.value).find((value) => value !== undefined)
  if (token === undefined || token.length > 4096) return null
  const { accounts, sessionSecret } = runtime()
  const claims = Claims.safeParse(await decode({ token, secret: sessionSecret }).catch(() => null))
  return claims.success ? accounts.personOf(claims.data, (await visitor()).peer) : null
}

/** For pages: strangers go to the sign-in page, the first owner to choosing a password. */
export async function requirePerson(): Promise<Person> {
  const person = await currentPerson()
  if (person === null) redirect('/sign-in')
  if (person.mustChangePassword) redirect('/first-password')
  return person
}

export interface Visitor {
  /** Other end of the socket, or what a trusted proxy says. */
  peer: string
  host: string
  scheme: 'http' | 'https'
  /** Name of the machine the browser runs on, when it is this server's own. */
  machine: string | null
}

/** What our server wrote into the headers: nothing of it can be forged by the client. */
export async function visitor(): Promise<Visitor> {
  const all = await headers()
  return {
    peer: all.get('x-thatdam-peer') ?? 'unknown',
    host: all.get('x-forwarded-host') ?? 'localhost',
    scheme: all.get('x-forwarded-proto') === 'https' ? 'https' : 'http',
    machine: all.get('x-thatdam-loopback') === '1' ? runtime().hostname : null,
  }
}
