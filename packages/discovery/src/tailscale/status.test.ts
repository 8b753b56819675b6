import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parseTailscaleStatus } from './status.ts'

const own = (name: string) => readFileSync(join(import.meta.dirname, 'testdata', name), 'utf8')

test('peers that are online and could run an agent, by name and address', () => {
  expect(parseTailscaleStatus(own('office.json'))).toEqual({
    state: 'Running',
    peers: [
      { name: 'editor.tail4f2a.ts.net', addresses: ['100.71.2.3', 'fd7a:115c:a1e0::7102:3'] },
      { name: 'studio.tail4f2a.ts.net', addresses: ['100.71.2.9'] },
    ],
  })
})

test('no names where MagicDNS is off; a stopped one has its state', () => {
  expect(parseTailscaleStatus(own('no-magic-dns.json'))?.peers).toEqual([{ name: null, addresses: ['100.71.2.3'] }])
  expect(parseTailscaleStatus(own('stopped.json'))).toEqual({ state: 'Stopped', peers: [] })
})

test('what is not a status is none, and one odd peer does not hide the others', () => {
  for (const text of ['', 'not running', '[]', '{}', '{"BackendState":7}']) expect(parseTailscaleStatus(text)).toBeNull()
  const peers = { a: 'odd', b: { OS: 'linux', Online: true, DNSName: '$(reboot).', TailscaleIPs: ['8.8.8.8', '100.64.0.1'] }, c: null }
  expect(parseTailscaleStatus(JSON.stringify({ BackendState: 'Running', MagicDNSSuffix: 'x.ts.net', Peer: peers }))?.peers).toEqual([
    { name: null, addresses: ['100.64.0.1'] },
  ])
})

test('published outputs of real machines', () => {
  const folder = join(import.meta.dirname, '../../../../../shared/recorded/tailscale-status-json')
  const status = (name: string) => {
    const path = join(folder, name)
    return existsSync(path) ? parseTailscaleStatus(readFileSync(path, 'utf8')) : undefined
  }
  // Telephones alone: nobody to call on.
  for (const name of ['linux-no-peers.json', 'windows-two-ios-peers.json']) {
    const read = status(name)
    if (read !== undefined) expect(read).toEqual({ state: 'Running', peers: [] })
  }
  const fragment = status('home-router-peer.json')
  if (fragment !== undefined) expect(fragment).toBeNull()
  expect(readdirSync(join(import.meta.dirname, 'testdata'))).toHaveLength(3)
})
