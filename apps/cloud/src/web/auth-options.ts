import type { NextAuthOptions } from 'next-auth'
import Credentials from 'next-auth/providers/credentials'
import { SESSION_DAYS } from '../domain/session-days.ts'
import { runtime } from '../runtime.ts'
import { Claims, visitor } from './session.ts'

/** E-mail and password only; the token in the cookie names a row of `user_sessions`, so that it can be ended. */
export function authOptions(): NextAuthOptions {
  const { accounts, sessionSecret } = runtime()
  return {
    secret: sessionSecret,
    session: { strategy: 'jwt', maxAge: SESSION_DAYS * 86_400 },
    pages: { signIn: '/sign-in', error: '/sign-in' },
    providers: [
      Credentials({
        credentials: { email: {}, password: {} },
        authorize: async (given) => {
          const email = given?.email?.trim().toLowerCase() ?? ''
          const password = given?.password ?? ''
          // Nothing longer can be a password here, and hashing it would cost us.
          if (email.length > 254 || password.length > 256) return null
          return accounts.signIn({ email, password, address: (await visitor()).peer })
        },
      }),
    ],
    callbacks: {
      jwt: ({ token, user }) => {
        if (user && 'sessionId' in user && 'sessionVersion' in user) {
          return { ...token, sessionId: user.sessionId, sessionVersion: user.sessionVersion }
        }
        return token
      },
    },
    events: {
      signOut: async ({ token }) => {
        const claims = Claims.safeParse(token)
        if (claims.success) await accounts.signOut(claims.data, (await visitor()).peer)
      },
    },
  }
}
