import { hostname } from 'node:os'
import { expect, test } from 'vitest'
import { checkOrigin, checkTarget, HostNames } from './guard.ts'

test.each([
  '/',
  '/nodes',
  '/a/b%20c/%C3%A9',
  '/_next/static/chunks/%5Bid%5D.js',
  '/x?path=..%2F..&a=//',
  '/media/blobs/ab',
  '/live/cameras/usb%3A1',
])('a plain path passes: %s', (target) => {
  expect(checkTarget(target)).toBe(target.split('?')[0])
})

test.each([
  'http://evil.example/',
  '//evil.example/',
  '*',
  '/a/../b',
  '/..',
  '/%2e%2e/etc/passwd',
  '/a/%2E%2e',
  '/a/./b',
  '/media/..%2f..%2fetc',
  '/media/%5c..%5c',
  '/media\\..\\x',
  '/a%00b',
  '/a%0d%0ab',
  '/%252e%252e/x',
  '/%252fetc',
  '/%E0%A4%A',
  '/a\u0001',
])('a path that leaves its folder or hides something is refused: %s', (target) => {
  expect(() => checkTarget(target)).toThrow()
})

test('a browser may call this machine by its own names only', () => {
  const names = new HostNames()
  for (const host of [
    'localhost',
    'localhost:8080',
    '127.0.0.1:8080',
    '[::1]:8080',
    'LOCALHOST',
    'thatdam.local',
    hostname(),
    `${hostname().split('.')[0]}.local:9`,
  ]) {
    expect([host, names.allows(host)]).toEqual([host, true])
  }
  for (const host of [
    undefined,
    '',
    'evil.example',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    '127.0.0.1@evil.example',
    'localhost:80:80',
    '[::1',
    '203.0.113.9',
  ]) {
    expect([host, names.allows(host)]).toEqual([host, false])
  }
})

const own = { host: 'localhost:8080' }
test.each([
  ['a page of ours posts', 'POST', false, { ...own, origin: 'http://localhost:8080' }],
  ['a page of ours posts without Origin', 'POST', false, { ...own, 'sec-fetch-site': 'same-origin', cookie: 'a=b' }],
  ['a form of ours posts', 'POST', false, { ...own, origin: 'null', 'sec-fetch-site': 'same-origin', cookie: 'a=b' }],
  ['a program without a cookie posts', 'POST', false, own],
  ['a page of ours opens a socket', 'GET', true, { ...own, origin: 'http://localhost:8080' }],
  [
    'a person follows a link from another site',
    'GET',
    false,
    { ...own, 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' },
  ],
  ['a page of ours loads a picture', 'GET', false, { ...own, 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'no-cors' }],
] as const)('passes: %s', (_name, method, isUpgrade, headers) => {
  expect(() => checkOrigin(method, isUpgrade, headers)).not.toThrow()
})

test.each([
  ['another site posts', 'POST', false, { ...own, origin: 'https://evil.example' }],
  ['another port of this machine posts', 'POST', false, { ...own, origin: 'http://localhost:3000' }],
  ['a sandboxed page posts, told by Sec-Fetch-Site', 'POST', false, { ...own, origin: 'null', 'sec-fetch-site': 'cross-site' }],
  ['a sandboxed page posts', 'POST', false, { ...own, origin: 'null' }],
  ['a cookie without Origin', 'DELETE', false, { ...own, cookie: 'thatdam-session=x' }],
  ['another site, told by Sec-Fetch-Site', 'POST', false, { ...own, 'sec-fetch-site': 'cross-site' }],
  ['another site opens a socket', 'GET', true, { ...own, origin: 'http://evil.example' }],
  ['a socket without Origin', 'GET', true, own],
  ['another site embeds a picture', 'GET', false, { ...own, 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' }],
  [
    'another site frames a page',
    'GET',
    false,
    { ...own, 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'iframe' },
  ],
] as const)('is refused: %s', (_name, method, isUpgrade, headers) => {
  expect(() => checkOrigin(method, isUpgrade, headers)).toThrow('another site')
})
