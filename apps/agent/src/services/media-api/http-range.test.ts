import { expect, test } from 'vitest'
import { attachment, isNotModified, mayShowInline, parseRange, rangeApplies } from './http-range.ts'

test('one range is answered, odd ones send the whole, outside is refused', () => {
  const table: [string | undefined, ReturnType<typeof parseRange>][] = [
    [undefined, 'whole'],
    ['bytes=0-0', { start: 0, end: 1 }],
    ['bytes=10-19', { start: 10, end: 20 }],
    ['bytes=90-', { start: 90, end: 100 }],
    ['bytes=90-1000', { start: 90, end: 100 }],
    ['bytes=-10', { start: 90, end: 100 }],
    ['bytes=-1000', { start: 0, end: 100 }],
    ['bytes=100-', 'unsatisfiable'],
    ['bytes=-0', 'unsatisfiable'],
    ['bytes=20-10', 'whole'],
    ['bytes=0-1,5-6', 'whole'],
    ['bytes=-', 'whole'],
    ['items=0-1', 'whole'],
    ['bytes=99999999999999999999-', 'whole'],
  ]
  for (const [header, expected] of table) expect([header, parseRange(header, 100)]).toEqual([header, expected])
  expect(parseRange('bytes=0-', 0)).toBe('unsatisfiable')
})

test('entity tags decide between 304, part and whole', () => {
  expect(isNotModified('"a", W/"b"', '"b"')).toBe(true)
  expect(isNotModified('*', '"b"')).toBe(true)
  expect(isNotModified('"a"', '"b"')).toBe(false)
  expect(rangeApplies('"b"', '"b"')).toBe(true)
  expect(rangeApplies('W/"b"', '"b"')).toBe(false)
  expect(rangeApplies('Sat, 21 Nov 2026 01:00:00 GMT', '"b"')).toBe(false)
})

test('a download name is never a path or a header, and keeps its letters', () => {
  expect(attachment('Grüße 🦊.jpg')).toBe(`attachment; filename="Gr__e __.jpg"; filename*=UTF-8''Gr%C3%BC%C3%9Fe%20%F0%9F%A6%8A.jpg`)
  expect(attachment('../../etc/"passwd"\r\nSet-Cookie: x')).toBe(
    `attachment; filename=".. .. etc _passwd_ Set-Cookie: x"; filename*=UTF-8''..%20..%20etc%20%22passwd%22%20Set-Cookie%3A%20x`,
  )
  expect(attachment('..')).toContain('filename="download"')
  expect(attachment("it's (1)*.mov")).toContain("filename*=UTF-8''it%27s%20%281%29%2A.mov")
})

test('what can run script is never shown in place', () => {
  for (const type of ['image/jpeg', 'video/mp4', 'audio/flac']) expect(mayShowInline(type)).toBe(true)
  for (const type of ['image/svg+xml', 'text/html', 'application/xml', 'application/pdf', 'application/octet-stream', 'video/mp4;x']) {
    expect(mayShowInline(type)).toBe(false)
  }
})
