import { expect, test } from 'vitest'
import { parseAnnouncement } from '../announcement.ts'
import { announcementOf } from '../testing/loopback.ts'
import { type Answer, type Saying, answersTo, heardIn, nodeAnswers } from './records.ts'

const bytes = announcementOf('pi-1a2b3c')
const body = parseAnnouncement(bytes)?.body
if (body === undefined) throw new Error('not an announcement')
const saying: Saying = { service: '_thatdam._tcp', bytes, body, leads: false, address: '192.168.1.2', ttlSeconds: 45 }
const ask = (name: string, change: Partial<Saying> = {}) =>
  answersTo([{ name, type: 'A' }], { ...saying, ...change }).map((answer) => answer.type)

test('what is said is heard', () => {
  const [heard] = heardIn(nodeAnswers(saying), '_thatdam._tcp')
  expect(Buffer.from(heard?.bytes ?? []).equals(Buffer.from(bytes))).toBe(true)
  expect(heardIn(nodeAnswers({ ...saying, ttlSeconds: 0 }), '_thatdam._tcp')[0]?.goodbye).toBe(true)
  expect(heardIn(nodeAnswers(saying), '_other._tcp')).toEqual([])
})

test('names that are ours are answered, whatever their case, and the ring host only by the leader', () => {
  expect(ask('_thatdam._tcp.local')).toEqual(['PTR', 'SRV', 'TXT', 'A'])
  expect(ask('PI-1a2b3c.local')).toEqual(['PTR', 'SRV', 'TXT', 'A'])
  expect(ask('_services._dns-sd._udp.local')).toEqual(['PTR'])
  expect(ask('thatdam.local')).toEqual([])
  expect(ask('thatdam.local', { leads: true })).toEqual(['A'])
  expect(ask('printer.local', { leads: true })).toEqual([])
})

test("other people's TXT records are passed over, at most 16 are read", () => {
  const odd: Answer[] = [
    { name: 'x._thatdam._tcp.local', type: 'TXT', data: 'text' },
    { name: 'x._thatdam._tcp.local', type: 'TXT', data: [] },
    { name: 'x._thatdam._tcp.local', type: 'TXT', data: ['a9=', 'b', Buffer.alloc(0)] as (string | Buffer)[] },
  ]
  expect(heardIn(odd, '_thatdam._tcp')).toEqual([])
  expect(heardIn(Array.from({ length: 40 }, () => nodeAnswers(saying)).flat(), '_thatdam._tcp')).toHaveLength(16)
})
