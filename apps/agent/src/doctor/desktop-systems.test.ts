import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import type { LocalState } from '@thatdam/protocol/local'
import { expect, it } from 'vitest'
import type { Check } from './check.ts'
import { check as cameras } from './checks/cameras.ts'
import { check as clock } from './checks/clock.ts'
import { check as firewall } from './checks/firewall.ts'
import { check as proxy } from './checks/proxy.ts'
import { check as start } from './checks/start.ts'
import { holderOf } from './checks/ports.ts'
import { contextOf, otherMachine } from './testing/machine.ts'

const read = (name: string) => fs.readFileSync(path.join(import.meta.dirname, 'testdata', name), 'utf8')
const nowhere = path.join(os.tmpdir(), 'thatdam-doctor-none')
const withCamera = { facts: { cameras: [{}] }, members: [] } as unknown as LocalState
const on = async (platform: NodeJS.Platform, tools: Parameters<typeof otherMachine>[1], more = {}) =>
  await contextOf(nowhere, { machine: otherMachine(platform, tools), ...more })
const first = async (check: Check, platform: NodeJS.Platform, tools: Parameters<typeof otherMachine>[1], more = {}) =>
  (await check.run(await on(platform, tools, more)))[0]
const refused = { code: 1, stderr: 'not permitted' }

it('Windows: the firewall’s closed doors get one command; a block of everything is lifted first', async () => {
  const tools = {
    'reg query HKLM\\SYSTEM': read('windows-firewall-rules.txt'),
    netsh: 'BlockInbound,AllowOutbound',
    powershell: '{"NetworkCategory": 1}',
  }
  const findings = await firewall.run(await on('win32', tools))
  expect(findings).toMatchObject([
    {
      state: 'fail',
      message: expect.stringContaining('keeps other machines out of 7700/udp.'),
      fix: expect.stringContaining('protocol=UDP localport=7700 (as'),
    },
  ])
  const all = await firewall.run(await on('win32', { ...tools, netsh: 'BlockInboundAlways,AllowOutbound' }))
  expect(all[0]?.message).toContain('7700/tcp, 7700/udp, 8080/tcp')
  expect(all[0]?.fix).toMatch(
    /^netsh advfirewall set currentprofile .* & netsh .*protocol=TCP localport=7700,8080 & netsh .*UDP localport=7700/,
  )
  const domain = await firewall.run(await on('win32', { ...tools, powershell: '{"NetworkCategory": 2}' }))
  expect(domain[0]).toMatchObject({ state: 'ok', message: 'Windows Defender Firewall (domain network): not active.' })
  expect((await firewall.run(await on('win32', {})))[0]).toMatchObject({
    state: 'warn',
    message: expect.stringContaining('could not be read'),
  })
})

it('macOS: the firewall by what is set for this program', async () => {
  const tools = {
    'socketfilterfw --getglobalstate': 'Firewall is enabled. (State = 1)',
    'socketfilterfw --getblockall': 'Firewall has block all state set to disabled.',
    'socketfilterfw --listapps': `1 : ${process.execPath}\n   (Block incoming connections)\n`,
  }
  expect((await firewall.run(await on('darwin', tools)))[0]).toMatchObject({
    state: 'fail',
    fix: expect.stringContaining(`--unblockapp '${process.execPath}'`),
  })
  expect((await firewall.run(await on('darwin', { ...tools, 'socketfilterfw --listapps': '' })))[0]?.state).toBe('warn')
})

it('Linux: firewalld speaks before the kernel’s rules, ufw’s state is told without root, rules that only root sees are not guessed', async () => {
  const firewalld = {
    'firewall-cmd --state': 'running\n',
    'firewall-cmd --get-zone': 'no zone\n',
    'firewall-cmd --get-default-zone': 'public\n',
    'firewall-cmd --zone=public --list-all': read('firewalld-public.txt'),
    nft: read('nft-ruleset.json'),
  }
  expect((await firewall.run(await on('linux', firewalld)))[0]).toMatchObject({
    state: 'fail',
    fix: 'sudo firewall-cmd --permanent --zone=public --add-port=8080/tcp && sudo firewall-cmd --reload',
  })
  const ufw = {
    machine: otherMachine('linux', { ufw: refused }, { read: async (file) => (file === '/etc/ufw/ufw.conf' ? 'ENABLED=yes' : null) }),
  }
  expect((await firewall.run(await contextOf(nowhere, ufw)))[0]).toMatchObject({ state: 'warn', fix: 'sudo thatdam doctor' })
  expect((await firewall.run(await on('linux', { ufw: read('ufw-open.txt').replace('192.168.1.0/24', 'Anywhere') })))[0]?.state).toBe('ok')
  const dropsAll = '*filter\n:INPUT DROP [0:0]\nCOMMIT\n'
  expect((await firewall.run(await on('linux', { 'iptables-save': dropsAll })))[0]).toMatchObject({
    state: 'fail',
    fix: expect.stringContaining('sudo iptables -I INPUT -p udp --dport 7700 -j ACCEPT'),
  })
  expect((await firewall.run(await on('linux', { nft: refused, systemctl: 'inactive\n' })))[0]?.message).toContain('None is known')
  expect((await firewall.run(await on('linux', { nft: refused, systemctl: 'active\n' })))[0]?.state).toBe('warn')
})

it('clocks: services that are off, not yet in step, or tell how far away', async () => {
  expect(await first(clock, 'win32', { w32tm: { code: 1, stdout: 'error 0x80070426' } })).toMatchObject({
    state: 'warn',
    fix: expect.stringContaining('net start w32time'),
  })
  expect(await first(clock, 'win32', { w32tm: read('w32tm-german.txt') })).toMatchObject({
    state: 'warn',
    message: expect.stringContaining('not reached'),
  })
  expect(await first(clock, 'darwin', { sntp: '+3600.5 +/- 0.03 time.apple.com 1.2.3.4' })).toMatchObject({
    state: 'fail',
    message: expect.stringContaining('behind'),
  })
  expect((await first(clock, 'darwin', { sntp: '+0.2 +/- 0.03 time.apple.com 1.2.3.4' }))?.state).toBe('ok')
  expect(await first(clock, 'linux', { timedatectl: 'NTP=no\nNTPSynchronized=no\n' })).toMatchObject({
    fix: 'sudo timedatectl set-ntp true',
  })
  expect((await first(clock, 'linux', { timedatectl: refused, chronyc: 'Leap status     : Normal\n' }))?.state).toBe('ok')
})

it('cameras: Windows’ privacy switches and who has one, macOS’ permission', async () => {
  const consent = read('webcam-consent.txt')
  const [denied] = await cameras.run(await on('win32', { 'reg query HKCU': consent }))
  expect(denied).toMatchObject({ state: 'fail', fix: expect.stringContaining(String.raw`webcam\NonPackaged" /v Value /t REG_SZ /d Allow`) })
  const [busy] = await cameras.run(await on('win32', { 'reg query HKCU': consent.replace('Deny', 'Allow') }))
  expect(busy).toMatchObject({ state: 'warn', message: expect.stringContaining('meet.exe') })
  const tcc = async (output: string | object) =>
    (await cameras.run(await on('darwin', { sqlite3: output }, { agent: withCamera })))[0]?.state
  expect([await tcc(`${process.execPath}|2\n`), await tcc(`${process.execPath}|0\n`), await tcc(refused)]).toEqual(['ok', 'fail', 'warn'])
})

it('start: session 0 with cameras, at sign-in only, switched off, daemons and agents, linger', async () => {
  const xml = read('task-boot.xml')
  const task = { 'schtasks /query /tn ThatDAM /xml': xml }
  expect((await first(start, 'win32', task))?.state).toBe('ok')
  expect(await first(start, 'win32', task, { agent: withCamera })).toMatchObject({
    state: 'warn',
    message: expect.stringContaining('session 0'),
  })
  const desktop = { ...task, tasklist: '"node.exe","77","Console","1","50.000 K"' }
  expect((await first(start, 'win32', desktop, { agent: withCamera, agentPid: 77 }))?.state).toBe('ok')
  expect(
    await first(start, 'win32', {
      'schtasks /query /tn ThatDAM /xml': refused,
      'schtasks /query /tn ThatDAM ada': xml.replace('BootTrigger', 'LogonTrigger'),
    }),
  ).toMatchObject({
    state: 'warn',
  })
  expect(await first(start, 'win32', {})).toMatchObject({ message: expect.stringContaining('No scheduled task') })
  const job = read('launchctl-print.txt')
  expect(await first(start, 'darwin', { 'launchctl print system': job }, { agent: withCamera })).toMatchObject({
    message: expect.stringContaining('neither cameras'),
  })
  expect((await first(start, 'darwin', { 'launchctl print system': job, fdesetup: 'FileVault is On.' }))?.message).toContain('FileVault')
  expect((await first(start, 'darwin', { 'launchctl print gui': job }))?.message).toContain('when you sign in')
  const unit = 'LoadState=loaded\nActiveState=active\nUnitFileState=enabled\n'
  expect((await first(start, 'linux', { 'systemctl show': unit }))?.state).toBe('ok')
  const personal = { 'systemctl show': 'LoadState=not-found\n', 'systemctl --user show': unit }
  expect(await first(start, 'linux', { ...personal, loginctl: 'Linger=no\n' })).toMatchObject({
    state: 'warn',
    fix: 'sudo loginctl enable-linger ada',
  })
  expect((await first(start, 'linux', { ...personal, loginctl: 'Linger=yes\n' }))?.state).toBe('ok')
})

it('proxies of browsers and of the shell that the LAN would go through', async () => {
  const lan = Object.values(os.networkInterfaces()).some((entries) => entries?.some((entry) => !entry.internal && entry.family === 'IPv4'))
  const [mac] = await proxy.run(await on('darwin', { scutil: read('scutil-proxy.txt') }))
  const context = await on('linux', {})
  const shell = await proxy.run({ ...context, env: { ...context.env, childEnvironment: { https_proxy: 'http://me:secret@proxy:3128' } } })
  expect([mac?.state, shell[0]?.state]).toEqual(lan ? ['warn', 'warn'] : ['ok', 'ok'])
  expect(JSON.stringify(shell)).not.toContain('secret')
  const past = { ...context.env, childEnvironment: { https_proxy: 'http://proxy:3128', no_proxy: '*' } }
  expect((await proxy.run({ ...context, env: past }))[0]?.state).toBe('ok')
})

it('who has a port, on Windows', async () => {
  const machine = otherMachine('win32', { netstat: read('netstat-ano.txt'), tasklist: '"other.exe","4242","Console","1","1 K"' })
  expect(await holderOf({ protocol: 'tcp', port: 8080 }, machine)).toMatchObject({ program: 'other.exe', pid: 4242 })
})
