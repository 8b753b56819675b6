import { expect, test } from 'vitest'
import { parseAnnouncement, signAnnouncement } from './announcement.ts'
import type { LocalAddress } from './interfaces.ts'
import { rankAddresses } from './rank.ts'
import { testSelf } from './testing/loopback.ts'

const local = (interfaceName: string, address: string, scope: LocalAddress['scope']): LocalAddress => ({
  interfaceName,
  address,
  family: 'ipv4',
  scope,
  prefixLength: 24,
  zone: 0,
})
const body = (...addresses: [string, LocalAddress['scope']][]) => {
  const bytes = signAnnouncement(
    testSelf('other', 'A'.repeat(43)),
    { count: 1, addresses: addresses.map(([address, scope]) => ({ address, scope })) },
    () => 'A'.repeat(86),
  )
  const parsed = parseAnnouncement(bytes)?.body
  if (parsed === undefined) throw new Error('not an announcement')
  return parsed
}

test('a shared LAN first, a far LAN next, then where it was heard, VPN, containers', () => {
  const locals = [local('eth0', '192.168.1.2', 'lan'), local('docker0', '172.17.0.1', 'virtual'), local('wg0', '10.9.0.1', 'vpn')]
  const ranked = rankAddresses(
    body(['172.17.0.1', 'virtual'], ['10.9.0.2', 'vpn'], ['192.168.50.3', 'lan'], ['192.168.1.9', 'lan']),
    [{ address: 'fe80::1%eth0', interfaceName: 'eth0' }],
    locals,
  )
  expect(ranked.map(({ address, interfaceName }) => [address, interfaceName])).toEqual([
    ['192.168.1.9', 'eth0'],
    ['192.168.50.3', null],
    ['fe80::1%eth0', 'eth0'],
    ['10.9.0.2', 'wg0'],
    ['172.17.0.1', 'docker0'],
  ])
})

test('a LAN address of theirs that only a container bridge of ours covers is not near', () => {
  const [ranked] = rankAddresses(body(['172.17.0.9', 'lan']), [], [local('docker0', '172.17.0.1', 'virtual')])
  expect(ranked).toMatchObject({ address: '172.17.0.9', interfaceName: null })
})

test('an address that nobody signed comes after those that the node signed, and is listed once', () => {
  const locals = [local('eth0', '192.168.1.2', 'lan')]
  const heard = [
    { address: '192.168.1.66', interfaceName: 'eth0' },
    { address: '192.168.1.9', interfaceName: 'eth0' },
  ]
  expect(rankAddresses(body(['192.168.1.9', 'lan']), heard, locals).map((one) => [one.address, one.scope])).toEqual([
    ['192.168.1.9', 'lan'],
    ['192.168.1.66', 'heard'],
  ])
})
