import { describe, expect, test } from 'vitest'
import { baseFor, HOST_PATTERN, isLoopbackPeer, lanAddresses } from './addresses.ts'

const ipv4 = (address: string, internal = false) => ({ address, internal, family: 'IPv4' as const, netmask: '', mac: '', cidr: null })

const lan = (address: string, interfaceName = 'eth0') => ({ address, interfaceName })
const of = (opened: string, publicUrl: string | undefined, addresses: ReturnType<typeof lan>[]) => {
  const base = baseFor({ host: opened, scheme: 'http' }, publicUrl, addresses)
  return { origins: base.origins.map((one) => one.origin), loopbackOnly: base.loopbackOnly }
}
const only = (origin: string) => ({ origins: [origin], loopbackOnly: false })

describe('the address for another machine', () => {
  test('is PUBLIC_URL, else the one the page was opened with, else the LAN addresses', () => {
    const home = [lan('192.168.1.4'), lan('10.8.0.2', 'wg0')]
    expect(of('localhost:3000', 'https://dam.example.org', home)).toEqual(only('https://dam.example.org'))
    expect(of('studio.local:3000', undefined, home)).toEqual(only('http://studio.local:3000'))
    expect(of('192.168.1.4:3000', undefined, home)).toEqual(only('http://192.168.1.4:3000'))
    const both = { origins: ['http://192.168.1.4:3001', 'http://10.8.0.2:3001'], loopbackOnly: false }
    for (const host of ['localhost:3001', '[::1]:3001', '127.0.0.1:3001']) expect(of(host, undefined, home)).toEqual(both)
    expect(baseFor({ host: 'localhost', scheme: 'https' }, undefined, home).origins[1]).toEqual({
      origin: 'https://10.8.0.2',
      label: '10.8.0.2 (wg0)',
    })
  })
  test('is loopback, and says so, where there is nothing else', () => {
    expect(of('127.0.0.1:3000', undefined, [])).toEqual({ origins: ['http://127.0.0.1:3000'], loopbackOnly: true })
    expect(of('a.b', 'http://localhost:3000', [lan('192.168.1.4')]).loopbackOnly).toBe(true)
  })
  test('comes from a real interface before a bridge, and never from link-local', () => {
    const interfaces = { lo: [ipv4('127.0.0.1', true)], docker0: [ipv4('172.17.0.1')], eth0: [ipv4('169.254.3.4'), ipv4('192.168.1.4')] }
    expect(lanAddresses(interfaces)).toEqual([lan('192.168.1.4'), lan('172.17.0.1', 'docker0')])
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
