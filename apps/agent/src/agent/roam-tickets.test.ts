import { afterEach, beforeEach, expect, test } from 'vitest'
import type { RoamTicket } from '@thatdam/protocol/ring-door'
import { foundRing, identities } from '../ring/testing/ring.ts'
import { DoorMachine } from './testing/door-machine.ts'

const REFUSED = 'This page’s way over from the other machine is used up or too old, or its session there has ended. Sign in here.'

let here: DoorMachine
let there: DoorMachine
beforeEach(async () => {
  const members = identities(['here', 'there'])
  const records = foundRing(members)
  const [founder, other] = members
  if (founder === undefined || other === undefined) throw new Error('two members')
  here = await DoorMachine.open(founder, records)
  there = await DoorMachine.open(other, records)
})
afterEach(() => {
  here.close()
  there.close()
})

function ticketOf(sessionId: string): string {
  const session = here.sessions.byId(sessionId)
  if (session === null) throw new Error('there is no such session')
  return here.roam.issue(session).ticket
}
/** The session that a machine makes of a ticket. */
const redeem = ({ door, sessions }: DoorMachine, ticket: RoamTicket['ticket']) =>
  sessions.resolve(door.newSession({ kind: 'roam', displayName: '', ticket }).cookieValue)

test('a ticket becomes a session on another machine, once, whether that one heard of the first session or not', () => {
  const sessionId = here.signIn()
  const [early, late] = [ticketOf(sessionId), ticketOf(sessionId)]
  expect(redeem(there, early)).toMatchObject({ kind: 'password', displayName: 'Ada' })
  expect(() => redeem(there, early)).toThrow(REFUSED)
  there.hear(here)
  expect(redeem(there, late)).toMatchObject({ kind: 'password', displayName: 'Ada' })
})

test('a change of the password ends the tickets that were made before it, on every machine that heard of it (THREATS 13)', async () => {
  const ticket = ticketOf(here.signIn())
  await here.door.set({ passwordHash: '$argon2id$new' })
  there.hear(here)
  expect(() => redeem(here, ticket)).toThrow(REFUSED)
  expect(() => redeem(there, ticket)).toThrow(REFUSED)
  const next = ticketOf(here.signIn())
  there.hear(here)
  expect(redeem(there, next)).not.toBeNull()
})

test('a change of the password ends also the ticket of a session of which the ring never heard', async () => {
  const { ticket } = here.roam.issue({ cookieHash: 'ab'.repeat(32), kind: 'password', displayName: 'Ada' })
  await here.door.set({ passwordHash: '$argon2id$new' })
  there.hear(here)
  expect(() => redeem(there, ticket)).toThrow(REFUSED)
})

test('signing out ends the tickets of that session, and of no other (THREATS 13)', () => {
  const [first, second] = [here.signIn(), here.signIn()]
  const tickets = [ticketOf(first), ticketOf(second)] as const
  here.sessions.end(first)
  there.hear(here)
  expect(() => redeem(here, tickets[0])).toThrow(REFUSED)
  expect(() => redeem(there, tickets[0])).toThrow(REFUSED)
  expect(here.sessions.byId(first)).toBeNull()
  expect(redeem(there, tickets[1])).not.toBeNull()
})

test('a ticket that names no session, as older agents made it, is refused', () => {
  const ticket = ticketOf(here.signIn())
  const claims = JSON.parse(Buffer.from(ticket.split('.')[0] ?? '', 'base64url').toString()) as Record<string, string | number | null>
  const { cookieHash: _cookieHash, seenEnd: _seenEnd, ...older } = claims
  const sign = (value: Record<string, string | number | null>) =>
    `${Buffer.from(JSON.stringify(value)).toString('base64url')}.${here.identity.key.sign('thatdam-roam-v1', value)}`
  expect(() => redeem(here, sign(older))).toThrow(REFUSED)
  expect(redeem(here, sign(claims))).not.toBeNull()
})
