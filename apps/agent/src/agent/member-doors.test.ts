import { generateKey } from '@thatdam/control/keys'
import type { Member } from '@thatdam/control/roster'
import { DOOR_WAITING_MAX, MemberDoor, MemberReport } from '@thatdam/protocol/member'
import type { Adoption } from '@thatdam/protocol/ring-door'
import { expect, test } from 'vitest'
import type { KnownReport } from '../ring/reports.ts'
import { quietReport } from '../ring/testing/member-report.ts'
import { MemberDoors } from './member-doors.ts'

const ADMITTERS = ['pi5-server', 'win11-editor']

const waits = (nodeId: string, more: Partial<MemberDoor['waiting'][number]> = {}): MemberDoor['waiting'][number] => ({
  nodeId,
  publicKey: generateKey().publicKey,
  address: '192.0.2.7',
  heardAgoMs: 1_000,
  asks: false,
  ...more,
})

const adoption = (id: string, more: Partial<Adoption> = {}): Adoption => ({
  id,
  nodeId: 'macbook',
  publicKey: generateKey().publicKey,
  direction: 'in',
  code: '123456',
  state: 'compare',
  attemptsLeft: 4,
  expiresAtMs: 0,
  reason: '',
  ...more,
})

/** `sentAtMs`: by the member's own clock. */
function told(nodeId: string, stands?: Partial<MemberDoor>, sentAtMs = Date.now()): KnownReport {
  const report = { ...quietReport(nodeId), sentAtMs, ...(stands && { door: door(stands) }) }
  return { report: MemberReport.parse(report), receivedAtMs: performance.now() }
}

const door = (more: Partial<MemberDoor>): MemberDoor => ({ waiting: [], adoptions: [], ...more })

const doorsOf = (...reports: KnownReport[]): MemberDoors =>
  new MemberDoors({ reports: () => reports, member: (nodeId) => ({ nodeId, admitter: ADMITTERS.includes(nodeId) }) as Member })

test('each member’s first ones come before any member’s next, and one of an older version tells of nobody', () => {
  const many = Array.from({ length: DOOR_WAITING_MAX }, (_, number) => waits(`stranger-${number}`))
  const doors = doorsOf(told('pizero-cam1', { waiting: many }), told('pi5-server', { waiting: [waits('macbook')] }), told('win11-editor'))
  expect(
    doors
      .waiting()
      .map(({ nodeId }) => nodeId)
      .slice(0, 3),
  ).toEqual(['stranger-0', 'macbook', 'stranger-1'])
  expect(doors.waiting()).toHaveLength(DOOR_WAITING_MAX + 1)
  expect(doorsOf(told('win11-editor')).waiting()).toEqual([])
})

test('lists beyond any measure are no report', () => {
  const fits = Array.from({ length: DOOR_WAITING_MAX }, () => waits('stranger'))
  expect(MemberDoor.safeParse(door({ waiting: fits })).success).toBe(true)
  for (const bad of [
    { waiting: [...fits, waits('one-more')] },
    { waiting: [waits('stranger', { address: 'x'.repeat(65) })] },
    { waiting: [waits('stranger', { heardAgoMs: -1 })] },
    { waiting: [waits('Not a node id')] },
    { waiting: [waits('stranger', { publicKey: 'none' })] },
    { adoptions: Array.from({ length: 17 }, (_, number) => adoption(`a-${number}`)) },
    { adoptions: [adoption('one', { reason: 'x'.repeat(501) })] },
    { adoptions: [adoption('one', { code: '<b>1</b>' })] },
  ])
    expect(MemberDoor.safeParse(door(bad)).success, JSON.stringify(bad).slice(0, 120)).toBe(false)
})

test('the owner’s word goes only to members that may let machines in', () => {
  const [asking, heard, far] = [waits('asking', { asks: true }), waits('heard'), waits('far', { asks: true })]
  const doors = doorsOf(
    told('pizero-cam1', { waiting: [asking, far], adoptions: [adoption('forged')] }),
    told('win11-editor', { waiting: [asking, heard].map((one) => ({ ...one, asks: false })) }),
    told('pi5-server', { waiting: [asking], adoptions: [adoption('true')] }),
  )
  expect(doors.askedBy(asking.publicKey)).toBe('pi5-server')
  expect(doors.askedBy(heard.publicKey)).toBeNull()
  expect(doors.heardBy(heard.publicKey)).toEqual({ nodeId: 'win11-editor', mayLetIn: true })
  // Whoever may let nobody in says of a machine what it likes.
  expect(doors.askedBy(far.publicKey)).toBeNull()
  expect(doors.heardBy(far.publicKey)).toEqual({ nodeId: 'pizero-cam1', mayLetIn: false })
  expect(doors.heardBy(generateKey().publicKey)).toBeNull()
  expect(doors.adoptions().map(({ id }) => id)).toEqual(['true'])
  expect([doors.holderOf('true'), doors.holderOf('forged')]).toEqual(['pi5-server', null])
})

test('times are those of this machine’s clock, whatever the member’s says', () => {
  const in1970 = 60_000
  const one = { waiting: [waits('macbook', { heardAgoMs: 4_000 })], adoptions: [adoption('true', { expiresAtMs: in1970 + 90_000 })] }
  const doors = doorsOf(told('pi5-server', one, in1970))
  const [waiting, compared] = [doors.waiting()[0], doors.adoptions()[0]]
  expect(Math.abs((waiting?.heardAtMs ?? 0) - (Date.now() - 4_000))).toBeLessThan(2_000)
  expect(Math.abs((compared?.expiresAtMs ?? 0) - (Date.now() + 90_000))).toBeLessThan(2_000)
})
