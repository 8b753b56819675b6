import { describe, expect, test } from 'vitest'
import { baseFor, HOST_PATTERN, isLoopbackPeer, lanAddresses } from './addresses.ts'

const ipv4 = (address: string, internal = false) => ({ address, internal, family: 'IPv4' as const, netmask: '', mac: '', cidr: null })

const opened = (host: string) => ({ host, scheme: 'http' as const })

describe('the address for another machine', () => {
  test('is PUBLIC_URL, else the one the page was opened with, else a LAN address', () => {
    expect(baseFor(opened('localhost:3000'), 'https://dam.example.org', [])).toEqual({
      origin: 'https://dam.example.org',
      loopbackOnly: false,
    })
    expect(baseFor(opened('studio.local:3000'), undefined, ['192.168.1.4'])).toEqual({
      origin: 'http://studio.local:3000',
      loopbackOnly: false,
    })
    expect(baseFor(opened('localhost:3000'), undefined, ['192.168.1.4'])).toEqual({
      origin: 'http://192.168.1.4:3000',
      loopbackOnly: false,
    })
    expect(baseFor(opened('[::1]:3001'), undefined, ['192.168.1.4'])).toEqual({ origin: 'http://192.168.1.4:3001', loopbackOnly: false })
  })
  test('is loopback, and says so, where there is nothing else', () => {
    expect(baseFor({ host: '127.0.0.1:3000', scheme: 'http' }, undefined, [])).toEqual({
      origin: 'http://127.0.0.1:3000',
      loopbackOnly: true,
    })
    expect(baseFor({ host: 'a.b', scheme: 'http' }, 'http://localhost:3000', ['192.168.1.4']).loopbackOnly).toBe(true)
  })
  test('comes from a real interface before a bridge, and never from link-local', () => {
    const interfaces = { lo: [ipv4('127.0.0.1', true)], docker0: [ipv4('172.17.0.1')], eth0: [ipv4('169.254.3.4'), ipv4('192.168.1.4')] }
    expect(lanAddresses(interfaces)).toEqual(['192.168.1.4', '172.17.0.1'])
  })
})

test('a Host header that could end a shell string is none', () => {
  for (const good of ['localhost:3000', '192.168.1.4', '[fe80::1]:3000', 'dam.example.org']) expect(good).toMatch(HOST_PATTERN)
  for (const bad of ['', 'a"b', 'a$(id)', 'a b', 'a;b', '-a', "a'b", 'a/b', 'a`b`', 'a\\b']) expect(bad).not.toMatch(HOST_PATTERN)
})

test('loopback peers are known in both families', () => {
  expect(['127.0.0.1', '127.8.8.8', '::1', '::ffff:127.0.0.1'].map(isLoopbackPeer)).toEqual([true, true, true, true])
  expect(['192.168.1.4', undefined, '::ffff:192.168.1.4'].map(isLoopbackPeer)).toEqual([false, false, false])
})
