import { expect, test } from 'vitest'
import { parseBackend, parseSeeds } from './methods.ts'
import { resolveHost } from './resolve.ts'

test('DISCOVERY_BACKEND', () => {
  expect([undefined, '', 'auto', 'mdns', ' gossip '].map(parseBackend)).toEqual([null, null, null, 'mdns', 'gossip'])
  expect(() => parseBackend('zeroconf')).toThrow('DISCOVERY_BACKEND is "zeroconf"')
})

test('GOSSIP_JOIN', () => {
  expect(parseSeeds('10.0.0.1, pi.local:7701 [fd00::1]:9 fd00::2', 7700)).toEqual([
    { host: '10.0.0.1', port: 7700 },
    { host: 'pi.local', port: 7701 },
    { host: 'fd00::1', port: 9 },
    { host: 'fd00::2', port: 7700 },
  ])
  expect(parseSeeds(undefined, 7700)).toEqual([])
  for (const wrong of ['a:0', 'a:70000', 'a b;c', 'http://x']) expect(() => parseSeeds(wrong, 7700)).toThrow('which is no address')
})

test('names are looked up, addresses are themselves, nothing is thrown', async () => {
  expect(await resolveHost('127.0.0.1')).toEqual(['127.0.0.1'])
  expect(await resolveHost('fe80::1%eth0')).toEqual(['fe80::1%eth0'])
  expect(await resolveHost('localhost')).not.toEqual([])
  expect(await resolveHost('does-not-exist.invalid')).toEqual([])
})
