import type { Discovery } from '@thatdam/protocol/cluster'
import { expect, test } from 'vitest'
import { isRingName, namedLeader, nextLeader, samePageAt, type KnownRing } from './next-leader.tsx'

const RING: KnownRing = {
  fingerprint: 'f1',
  here: { nodeId: 'desk', name: 'pi5-desktop' },
  others: [
    { nodeId: 'server', name: 'pi5-server', url: 'http://10.0.0.2:8080' },
    { nodeId: 'mac', name: 'macbook', url: 'http://10.0.0.3:8080' },
  ],
}
const says = (node_id: string, leader_node_id: string | null | undefined, fingerprint: string | null = 'f1'): Discovery => ({
  version: 1,
  node_id,
  cluster_id: null,
  fingerprint,
  leader_url: null,
  ...(leader_node_id === undefined ? {} : { leader_node_id }),
  api_version: 1,
})
const from = (url: string, discovery: Discovery) => ({ url, discovery })

test('the tab goes to the machine that says of itself that it leads, at the address where it said so', () => {
  const heard = [from('http://10.0.0.3:8080', says('mac', 'server')), from('http://10.0.0.2:8080', says('server', 'server'))]
  expect(nextLeader(RING, heard)).toEqual({ nodeId: 'server', name: 'pi5-server', url: 'http://10.0.0.2:8080' })
})

test('nobody is followed on hearsay, out of another ring, back to the silent machine, or while two lead', () => {
  const server = 'http://10.0.0.2:8080'
  const mac = 'http://10.0.0.3:8080'
  expect(nextLeader(RING, [])).toBeNull()
  expect(nextLeader(RING, [from(mac, says('mac', 'server'))])).toBeNull()
  expect(nextLeader(RING, [from(mac, says('mac', 'desk')), from(server, says('server', null))])).toBeNull()
  expect(nextLeader(RING, [from(server, says('server', 'server', 'f2'))])).toBeNull()
  expect(nextLeader(RING, [from(server, says('server', 'server', null))])).toBeNull()
  expect(nextLeader(RING, [from(server, says('desk', 'desk'))])).toBeNull()
  expect(nextLeader(RING, [from(server, says('server', 'server')), from(mac, says('mac', 'mac'))])).toBeNull()
})

test('its own machine is believed when it names its leader, and not left when it names none', () => {
  const named = { ...says('desk', 'server', 'f2'), leader_url: 'http://10.0.0.9:8080' }
  expect(namedLeader(RING, named)).toEqual({ nodeId: 'server', name: 'pi5-server', url: 'http://10.0.0.9:8080' })
  expect(namedLeader(RING, { ...named, leader_node_id: 'stranger' })?.name).toBe('stranger')
  expect(namedLeader(RING, { ...named, leader_url: null })).toBeNull()
  for (const leader of ['desk', null]) expect(namedLeader(RING, { ...named, leader_node_id: leader })).toBeNull()
  expect(namedLeader(RING, { ...says('desk', undefined), leader_url: 'http://10.0.0.9:8080' })).toBeNull()
  // Through a forwarded port, or a proxy that follows the leader, the new one itself answers: its LAN address may lead nowhere from here.
  expect(namedLeader(RING, { ...says('server', 'server'), leader_url: 'http://10.0.0.2:8080' })).toBeNull()
})

test('the same page is opened there, by ticket where there is one', () => {
  const place = { pathname: '/nodes', search: '?a=1', hash: '#node=x' }
  expect(samePageAt('http://10.0.0.2:8080', place, null)).toBe('http://10.0.0.2:8080/nodes?a=1#node=x')
  expect(samePageAt('http://10.0.0.2:8080', place, 'ti.ck')).toBe('http://10.0.0.2:8080/auth/roam?ticket=ti.ck&next=%2Fnodes#node=x')
})

test('only the ring’s own name follows the leader by itself', () => {
  expect(['thatdam.local', 'pi5-desktop.local', '10.0.0.2', 'localhost'].map(isRingName)).toEqual([true, false, false, false])
})
