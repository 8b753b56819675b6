import { until } from '@thatdam/testkit/hosts/command'
import { expect, test } from 'vitest'
import { announcedAddresses } from './announcement.ts'
import { type LocalAddress, NetworkWatch, broadcastOf, callingAddresses, interfaceFor, readInterfaces, scopeOf } from './interfaces.ts'

const local = (interfaceName: string, address: string, prefixLength = 24): LocalAddress => ({
  interfaceName,
  address,
  family: address.includes(':') ? 'ipv6' : 'ipv4',
  scope: scopeOf(interfaceName, address, interfaceName === 'lo'),
  prefixLength,
  zone: address.includes(':') ? 2 : 0,
})
const names = (locals: readonly LocalAddress[]) => [...new Set(callingAddresses(locals).map((one) => one.interfaceName))]

const scopes = (...pairs: [string, string][]) => pairs.map(([name, address]) => scopeOf(name, address, false))

test('scopes of addresses', () => {
  expect(scopes(['eth0', '192.168.1.2'], ['docker0', '172.17.0.1'], ['vEthernet (Default Switch)', '172.28.0.1'])).toEqual([
    'lan',
    'virtual',
    'virtual',
  ])
  expect(scopes(['tailscale0', '100.64.1.2'], ['Ethernet 3', '100.101.1.2'], ['eth0', '100.128.0.1'])).toEqual(['vpn', 'vpn', 'lan'])
  expect(scopes(['eth0', '169.254.3.4'], ['eth0', 'fe80::1'], ['utun4', '10.2.0.1'])).toEqual(['link-local', 'link-local', 'vpn'])
})

test('calls go out on real LANs; on a self-given address only without one; on a virtual one only in a container', () => {
  const [lan, cable, bridge, vpn, lo] = [
    local('eth0', '192.168.1.2'),
    local('eth1', '169.254.3.4', 16),
    local('docker0', '172.17.0.1', 16),
    local('wg0', '10.9.0.1'),
    local('lo', '127.0.0.1', 8),
  ] as const
  expect(names([lan, cable, bridge, vpn, lo])).toEqual(['eth0'])
  expect(names([cable, bridge, local('docker0', 'fe80::5', 64), vpn, lo])).toEqual(['eth1'])
  expect(names([bridge, vpn, lo])).toEqual(['docker0'])
  expect(names([vpn, lo])).toEqual([])
})

test('broadcast addresses', () => {
  expect(
    [local('a', '10.1.2.3', 8), local('a', '192.168.5.9', 25), local('a', '10.0.0.1', 31), local('a', 'fd00::1', 64)].map(broadcastOf),
  ).toEqual(['10.255.255.255', '192.168.5.127', null, null])
})

test('the interface that an address was heard on', () => {
  const locals = [local('eth0', '10.0.0.5', 8), local('eth1', '10.7.0.5', 24), local('eth0', 'fe80::9', 64)]
  expect(['10.7.0.9', '10.8.0.9', '192.168.1.1', 'fe80::1%eth0', 'fe80::1%wlan9'].map((address) => interfaceFor(address, locals))).toEqual([
    'eth1',
    'eth0',
    null,
    'eth0',
    null,
  ])
})

test('at most 8 addresses are announced, LAN first, containers and loopback never beside a real one', () => {
  const many = Array.from({ length: 12 }, (_, index) => local('eth0', `192.168.${index}.2`))
  const said = announcedAddresses([
    local('lo', '127.0.0.1'),
    local('docker0', '172.17.0.1'),
    local('wg0', '10.9.0.1'),
    local('eth0', 'fe80::1', 64),
    ...many,
  ])
  expect(said).toHaveLength(8)
  expect(said.every((one) => one.scope === 'lan')).toBe(true)
  expect(announcedAddresses([local('lo', '127.0.0.1'), local('docker0', '172.17.0.1')]).map((one) => one.scope)).toEqual([
    'virtual',
    'loopback',
  ])
})

test('the watch tells of a change, once', async () => {
  let now = [local('eth0', '192.168.1.2')]
  const watch = new NetworkWatch(() => now)
  const heard: number[] = []
  watch.onChange((locals) => heard.push(locals.length))
  now = [...now, local('eth1', '192.168.2.2')]
  await until('it is seen', () => {
    watch.look()
    return heard.length > 0
  })
  const endMs = performance.now() + 250
  await until('looked again', () => {
    watch.look()
    return performance.now() > endMs
  })
  expect(heard).toEqual([2])
  expect(readInterfaces().some((one) => one.scope === 'loopback')).toBe(true)
})
