import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AgentPort } from '@thatdam/api/agent-port'
import type { Passwords } from '@thatdam/api/context'
import { ThatdamError } from '@thatdam/protocol/errors'
import type { Session } from '@thatdam/protocol/local'
import { RoamTicket } from '@thatdam/protocol/ring-door'
import * as z from 'zod/mini'
import { clearSessionCookie, readJson, requireOwnPage, setSessionCookie } from './http.ts'

const BODY_BYTES_MAX = 4_096
const SignIn = z.strictObject({ password: z.string().check(z.maxLength(256)) })
const HandoffToken = z.string().check(z.minLength(1), z.maxLength(4_096))

export interface AuthParts {
  agent: AgentPort
  passwords: Passwords
}

/** Answers the auth routes that are not pages. False: it is not one of them. */
export async function handleAuth(
  parts: AuthParts,
  request: IncomingMessage,
  response: ServerResponse,
  url: URL,
  session: Session | null,
): Promise<boolean> {
  if (url.pathname === '/auth/handoff' && request.method === 'GET') {
    await handoff(parts, response, url)
    return true
  }
  if (url.pathname === '/auth/roam' && request.method === 'GET') {
    await roam(parts, response, url)
    return true
  }
  if (request.method !== 'POST') return false
  if (url.pathname === '/auth/signin') {
    requireOwnPage(request)
    await signIn(parts, request, response)
    return true
  }
  if (url.pathname === '/auth/signout') {
    requireOwnPage(request)
    if (session !== null && session.kind !== 'first-run') await parts.agent.endSession(session.sessionId)
    clearSessionCookie(response)
    response.writeHead(204).end()
    return true
  }
  return false
}

async function signIn(parts: AuthParts, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = SignIn.safeParse(await readJson(request, BODY_BYTES_MAX))
  if (!body.success) throw new ThatdamError('BAD_REQUEST', 'Enter the password.')
  parts.passwords.checkGuessAllowed()
  const { passwordHash } = await parts.agent.ownerCredential()
  if (passwordHash === null) {
    throw new ThatdamError('CONFLICT', 'This machine has no password yet. Open the console on the machine itself and set one there.')
  }
  const right = await parts.passwords.verify(passwordHash, body.data.password)
  parts.passwords.noteGuess(right)
  if (!right) throw new ThatdamError('FORBIDDEN', 'That is not the password. Try again, or set a new one on the machine: thatdam password.')
  const session = await parts.agent.createSession({ kind: 'password', displayName: 'Owner' })
  setSessionCookie(response, session.cookieValue, session.expiresAtMs)
  response.writeHead(204).end()
}

/** The agent checks and spends the token; a page tells in words when it does not take it. */
async function handoff(parts: AuthParts, response: ServerResponse, url: URL): Promise<void> {
  response.setHeader('cache-control', 'no-store')
  const token = HandoffToken.safeParse(url.searchParams.get('token'))
  try {
    if (!token.success) throw new ThatdamError('BAD_REQUEST', 'The address is incomplete. Choose “Open console” on the cloud page again.')
    const session = await parts.agent.createSession({ kind: 'handoff', displayName: 'From the cloud', handoffToken: token.data })
    setSessionCookie(response, session.cookieValue, session.expiresAtMs)
    response.writeHead(303, { location: '/' }).end()
  } catch (error) {
    if (!(error instanceof ThatdamError)) throw error
    const message =
      error.code === 'UNAUTHENTICATED'
        ? 'This hand-off is not valid any more: it works once, within a minute. Choose “Open console” on the cloud page again.'
        : error.message
    response.writeHead(error.status, { 'content-type': 'text/html; charset=utf-8' }).end(problemPage(message))
  }
}

/**
 * A tab whose machine fell silent goes on here: the ticket that it fetched there before becomes a session. Without a good one the person signs
 * in, and comes to the same page.
 */
async function roam(parts: AuthParts, response: ServerResponse, url: URL): Promise<void> {
  const next = ownPath(url.searchParams.get('next'))
  const ticket = RoamTicket.shape.ticket.safeParse(url.searchParams.get('ticket'))
  response.setHeader('cache-control', 'no-store')
  try {
    if (!ticket.success) throw new ThatdamError('UNAUTHENTICATED', 'Not signed in.')
    const session = await parts.agent.createSession({ kind: 'roam', displayName: '', ticket: ticket.data })
    setSessionCookie(response, session.cookieValue, session.expiresAtMs)
    response.writeHead(303, { location: next }).end()
  } catch (error) {
    if (!(error instanceof ThatdamError)) throw error
    response.writeHead(303, { location: next === '/' ? '/auth/signin' : `/auth/signin?next=${encodeURIComponent(next)}` }).end()
  }
}

/** A page of this console: a path that no browser takes for another host. */
function ownPath(text: string | null): string {
  return text !== null && /^\/[a-z0-9/-]*$/.test(text) && !text.startsWith('//') ? text : '/'
}

const escape = (text: string): string => text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`)

function problemPage(message: string): string {
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Console · ThatDAM</title>
<style>:root{color-scheme:dark light}body{font:15px/24px system-ui,sans-serif;max-width:440px;margin:20vh auto;padding:0 24px}a{color:inherit}</style>
<h1 style="font-size:22px">The console was not opened</h1><p>${escape(message)}</p><p><a href="/auth/signin">Sign in with the owner’s password</a></p></html>`
}
