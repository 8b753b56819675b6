import fs from 'node:fs'
import path from 'node:path'
import { expect, it } from 'vitest'
import { parseFirewalldZone, parseFirewalldZoneName } from './firewalld.ts'
import { parseIptables } from './iptables.ts'
import { parseNftables } from './nftables.ts'
import { type Chain, type Packet, passage, portIn } from './passage.ts'
import { parseRegQuery } from './reg-query.ts'
import { parseSocketFilter } from './socketfilterfw.ts'
import { parseUfw } from './ufw.ts'
import { parseBlocksAll, parseNetworkCategories, profileState, windowsPassage } from './windows-firewall.ts'

const read = (name: string) => fs.readFileSync(path.join(import.meta.dirname, '../testdata', name), 'utf8')
const lan = { interfaceName: 'eth0', address: '192.168.1.5' }
const tcp = (port: number): Packet => ({ protocol: 'tcp', port, lan })
const udp = (port: number): Packet => ({ protocol: 'udp', port, lan })
const elsewhere = { interfaceName: 'eth0', address: '10.0.0.5' }

const chainsOf = (rules: Chain['rules'], policy: Chain['policy'] = 'drop') => new Map<string, Chain>([['in', { policy, rules }]])
const ufwAt = (file: string, packet: Packet) => {
  const chains = parseUfw(read(file), packet)
  return chains && passage(chains, 'in')
}
const iptablesAt = (packet: Packet) => passage(parseIptables(read('iptables-save.txt'), packet) ?? new Map(), 'INPUT')
const nftablesAt = (packet: Packet) => {
  const parsed = parseNftables(read('nft-ruleset.json'), packet)
  expect(parsed?.inputs).toEqual(['inet filter input'])
  return passage(parsed?.chains ?? new Map(), 'inet filter input')
}

it('chains: the first that fits, jumps that come back, what may apply both ways, loops without end', () => {
  expect(passage(chainsOf([]), 'in')).toBe('closed')
  expect(passage(chainsOf([{ applies: 'maybe', verdict: 'accept' }]), 'in')).toBe('unknown')
  expect(
    passage(
      chainsOf([
        { applies: 'yes', verdict: 'accept' },
        { applies: 'yes', verdict: 'drop' },
      ]),
      'in',
    ),
  ).toBe('open')
  const jumps = chainsOf([
    { applies: 'yes', verdict: { jump: 'back' } },
    { applies: 'yes', verdict: 'accept' },
  ])
  jumps.set('back', { policy: null, rules: [{ applies: 'no', verdict: 'drop' }] })
  expect(passage(jumps, 'in')).toBe('open')
  const goes = chainsOf([
    { applies: 'yes', verdict: { goto: 'back' } },
    { applies: 'yes', verdict: 'accept' },
  ])
  goes.set('back', { policy: null, rules: [{ applies: 'yes', verdict: 'return' }] })
  expect(passage(goes, 'in')).toBe('closed')
  expect(passage(chainsOf([{ applies: 'yes', verdict: { jump: 'in' } }]), 'in')).toBe('unknown')
  expect(passage(chainsOf([{ applies: 'yes', verdict: { jump: 'gone' } }], 'accept'), 'in')).toBe('unknown')
  expect([portIn('22,8000:8100', 8080), portIn('7000-7699', 7700), portIn('RPC', 0)]).toEqual([true, false, false])
})

it('ufw: subnets, ranges, interfaces, refusals before allowances, inactive', () => {
  expect([ufwAt('ufw-open.txt', tcp(7700)), ufwAt('ufw-open.txt', udp(7700)), ufwAt('ufw-open.txt', tcp(8080))]).toEqual([
    'open',
    'open',
    'open',
  ])
  expect(ufwAt('ufw-open.txt', { ...tcp(7700), lan: elsewhere })).toBe('closed')
  expect(ufwAt('ufw-open.txt', udp(8080))).toBe('closed')
  expect([ufwAt('ufw-closed.txt', tcp(8080)), ufwAt('ufw-closed.txt', udp(7700)), ufwAt('ufw-closed.txt', tcp(7700))]).toEqual([
    'closed',
    'closed',
    'open',
  ])
  expect(ufwAt('ufw-closed.txt', tcp(9000))).toBe('closed')
  expect(parseUfw('Status: inactive\n', tcp(1))).toBeNull()
})

it('iptables: lists, negations, comments that look like rules, rules that depend on more than the packet', () => {
  expect([iptablesAt(tcp(7700)), iptablesAt(tcp(8080)), iptablesAt(tcp(9000))]).toEqual(['open', 'open', 'closed'])
  expect(iptablesAt({ ...tcp(7700), lan: elsewhere })).toBe('closed')
  expect(iptablesAt(udp(7700))).toBe('unknown') // not by eth+, but perhaps by the list of recent senders
  expect(iptablesAt({ ...udp(7700), lan: { ...lan, interfaceName: 'wlan0' } })).toBe('open')
  expect(parseIptables('*nat\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n', tcp(1))).toBeNull()
})

it('nftables: sets and ranges, states, limits, chains of IPv6 left out, no JSON', () => {
  expect([nftablesAt(tcp(7700)), nftablesAt(tcp(8080)), nftablesAt(udp(7700)), nftablesAt(udp(7701))]).toEqual([
    'open',
    'closed',
    'unknown',
    'closed',
  ])
  expect(nftablesAt({ ...tcp(7700), lan: elsewhere })).toBe('closed')
  expect(parseNftables('Operation not permitted', tcp(1))).toBeNull()
})

it('firewalld: ports and ranges, targets, rich rules', () => {
  const text = read('firewalld-public.txt')
  expect([tcp(7700), udp(7700), tcp(8080)].map((packet) => parseFirewalldZone(text, packet))).toEqual(['open', 'open', 'closed'])
  expect(parseFirewalldZone(text.replace('target: default', 'target: ACCEPT'), tcp(8080))).toBe('open')
  expect(parseFirewalldZone(`${text}\trule family="ipv4" port port="8080" protocol="tcp" accept\n`, tcp(8080))).toBe('unknown')
  expect([parseFirewalldZoneName('trusted\n'), parseFirewalldZoneName('no zone\n')]).toEqual(['trusted', null])
})

it('Windows: rules by profile, program and direction; a block wins; states; policies', () => {
  const values = parseRegQuery(read('windows-firewall-rules.txt').replaceAll('\n', '\r\n'))
  const at = (packet: Packet, profile: 'Private' | 'Public', program = String.raw`D:\node.exe`) =>
    windowsPassage({ values, profile, program }, packet)
  expect([at(tcp(7700), 'Private'), at(tcp(8080), 'Private'), at(udp(7700), 'Private')]).toEqual(['open', 'open', 'closed'])
  expect([at(tcp(7700), 'Public'), at(tcp(8080), 'Public')]).toEqual(['closed', 'open'])
  expect(at(udp(7700), 'Private', String.raw`C:\Program Files\Other\node.exe`)).toBe('open')
  expect(at(tcp(8080), 'Public', String.raw`C:\Program Files\ThatDAM\node.exe`)).toBe('closed')
  expect(profileState(values, 'Domain')).toEqual({ on: false, blocksIn: true })
  expect(profileState(values, 'Private')).toEqual({ on: true, blocksIn: true })
  expect(parseBlocksAll('Firewallrichtlinie                  BlockInboundAlways,AllowOutbound')).toBe(true)
  expect(parseBlocksAll('Firewall Policy                     BlockInbound,AllowOutbound')).toBe(false)
  expect(parseNetworkCategories('[{"NetworkCategory":  1},{"NetworkCategory":  0}]')).toEqual(['Public', 'Private'])
})

it('macOS: off, blocking all, and what is set for our program', () => {
  const apps = read('socketfilterfw-apps.txt')
  const on = { state: 'Firewall is enabled. (State = 1)', blockAll: 'Firewall has block all state set to disabled.', apps }
  expect(parseSocketFilter(on, '/opt/thatdam/current/bin/node')).toEqual({ on: true, blocksAll: false, program: 'allow' })
  expect(parseSocketFilter(on, '/Applications/Other.app').program).toBe('block')
  expect(parseSocketFilter(on, '/usr/local/bin/node').program).toBeNull()
  expect(parseSocketFilter({ ...on, state: 'Firewall is disabled. (State = 0)' }, 'x').on).toBe(false)
  expect(parseSocketFilter({ ...on, blockAll: 'Firewall has block all state set to enabled.' }, 'x').blocksAll).toBe(true)
  expect(parseSocketFilter({ ...on, blockAll: 'Block all DISABLED! ' }, 'x').blocksAll).toBe(false)
})
