import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { DoctorReport, type Finding } from '@thatdam/protocol/doctor'
import { until } from '@thatdam/testkit/hosts/command'
import type { Host, Hosts } from '@thatdam/testkit/hosts/host'
import { NamespaceHosts } from '@thatdam/testkit/hosts/namespaces'
import { upHosts, upNamespaces } from '@thatdam/testkit/hosts/up'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { thisMachine } from './machine.ts'

/* The command itself, as a person runs it, on machines of which something is really wrong. */

vi.setConfig({ testTimeout: 60_000 })
const main = path.join(import.meta.dirname, '../main.ts')
const modules = path.join(import.meta.dirname, '../../../../node_modules')
let hosts: Hosts | null = null
let folder: string

beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'thatdam-doctor-'))
})
afterEach(async () => {
  await hosts?.down()
  hosts = null
  fs.rmSync(folder, { recursive: true, force: true })
})

interface Run {
  readonly code: number | null
  readonly tookMs: number
  readonly output: string
  readonly findings: readonly Finding[]
}

/** `first` is shell that runs before, in a mount namespace of its own where there are network namespaces. */
async function doctor(
  host: Host,
  options: { first?: string; env?: Record<string, string>; args?: string[]; only?: string } = {},
): Promise<Run> {
  const { first = '', env = {}, only } = options
  const args = [...(options.args ?? ['--json']), ...(only ? ['--only', only] : [])]
  const environment: Record<string, string | undefined> = { PATH: process.env['PATH'], STATE_DIR: path.join(folder, 'state'), ...env }
  const shell = ['sh', '-ec', `${first}\nexec "$0" "$@"`, process.execPath, main, 'doctor', ...args]
  const [file = '', ...rest] = hosts?.mode === 'namespaces' ? ['unshare', '-m', ...shell] : shell
  const startedMs = performance.now()
  const child = host.spawn(file, rest, { stdio: ['ignore', 'pipe', 'ignore'], env: environment as NodeJS.ProcessEnv })
  let output = ''
  child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  const findings = args.includes('--json') ? DoctorReport.parse(JSON.parse(output)).findings : []
  return { code, tookMs: performance.now() - startedMs, output, findings }
}

const lines = ({ findings }: Run, name: string) => findings.filter((finding) => finding.name === name)

/** Runs a piece of JavaScript in a host until it says `up`. */
async function serve(host: Host, script: string): Promise<void> {
  const child = host.spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  let said = ''
  child.stdout?.on('data', (chunk: Buffer) => (said += chunk.toString()))
  await until('the other host serves', () => said.includes('up'))
}

test('a line and a fix each, JSON for programs, code 1 when something failed', async () => {
  hosts = await upHosts({ subnets: [1] })
  const host = hosts.host(0)
  const wrong = await doctor(host, { args: [], env: { INDEX_PATHS: path.join(folder, 'gone') } })
  expect(wrong.code).toBe(1)
  expect(wrong.output.split('\n').find((line) => line.startsWith('✗ Index'))).toContain('is not there')
  expect(wrong.output).toContain('→ Plug in its disk')
  const right = await doctor(host)
  expect([right.code, right.findings.filter(({ state }) => state === 'fail')]).toEqual([0, []])
  const misspelt = await doctor(host, { args: [], only: 'dnss' })
  expect([misspelt.code, misspelt.output]).toEqual([1, ''])
  expect(Math.max(wrong.tookMs, right.tookMs)).toBeLessThan(10_000)
  expect(fs.readdirSync(folder)).toEqual([])
})

test('every tool hangs, and the state directory too: still under 10 s, and each is named', async () => {
  hosts = await upHosts({ subnets: [1] })
  const bin = path.join(folder, 'bin')
  fs.mkdirSync(bin)
  const tools = [
    'ffmpeg',
    'perl',
    'lsblk',
    'ss',
    'lsof',
    'timedatectl',
    'chronyc',
    'systemctl',
    'loginctl',
    'firewall-cmd',
    'ufw',
    'nft',
    'iptables-save',
    'tailscale',
  ]
  for (const tool of tools) fs.writeFileSync(path.join(bin, tool), '#!/bin/sh\nexec sleep 1000\n', { mode: 0o755 })
  fs.mkdirSync(path.join(folder, 'state'))
  // Whoever reads a pipe that nobody writes waits for ever, and a process with such a reader cannot even exit.
  for (const file of ['agent.pid', 'credential.json', 'identity.json']) execFileSync('mkfifo', [path.join(folder, 'state', file)])
  const run = await doctor(hosts.host(0), { env: { PATH: `${bin}:${process.env['PATH']}` } })
  expect(run.tookMs).toBeLessThan(10_000)
  const hung = run.findings
    .filter(({ message }) => /did not answer and was ended/.test(message))
    .map(({ message }) => message.split(' ')[0])
  expect(hung).toEqual(expect.arrayContaining(['ffmpeg', 'perl', 'lsblk', 'timedatectl', 'systemctl', 'firewall-cmd']))
  expect(lines(run, 'Identity')[0]?.message).toContain('Could not be checked')
  // What does not hang is told all the same.
  expect(lines(run, 'State directory')[0]?.state).toBe('ok')
})

/** Answers mDNS: to anybody's question, and to the name of host 0 as if it were its own. */
const RESPONDER = `
  const mdns = require('${modules}/multicast-dns')({ interface: '10.77.0.2', bind: '0.0.0.0' })
  mdns.on('query', (query) => mdns.respond([
    { name: '_services._dns-sd._udp.local', type: 'PTR', ttl: 10, data: '_printer._tcp.local' },
    ...query.questions.filter((one) => one.name === 'host0.local').map((one) => ({ name: one.name, type: 'A', ttl: 10, data: '10.77.0.2' })),
  ]))
  mdns.on('ready', () => console.log('up'))`

test('multicast: heard by others, switched off on the interface and on again by the fix, not passed on; a name that another has', async () => {
  const namespaces = await upNamespaces([2])
  if (!namespaces) return
  hosts = namespaces
  const host = namespaces.host(0)
  await serve(namespaces.host(1), RESPONDER)
  const good = await doctor(host, { only: 'multicast,name' })
  expect(lines(good, 'Multicast')).toMatchObject([
    { state: 'ok', message: 'On eth0 it goes out and comes back; 1 other machine answered.' },
  ])
  expect(lines(good, 'Name')).toMatchObject([{ state: 'warn', message: expect.stringContaining('10.77.0.2 answers to host0.local too') }])

  await host.ip(['link set eth0 multicast off'])
  const [off] = lines(await doctor(host, { only: 'multicast,name' }), 'Multicast')
  expect(off).toEqual({
    name: 'Multicast',
    state: 'fail',
    message: 'eth0 is set to carry no multicast.',
    fix: 'sudo ip link set eth0 multicast on',
  })
  await host.run('sh', ['-c', (off?.fix ?? '').replace('sudo ', '')])
  expect(lines(await doctor(host, { only: 'multicast,name' }), 'Multicast')[0]?.state).toBe('ok')

  await namespaces.blockMulticast()
  const blocked = await doctor(host, { only: 'multicast,name' })
  expect(lines(blocked, 'Multicast')[0]?.message).toContain('nobody else answered')
  expect(lines(blocked, 'Name')[0]?.state).toBe('ok')
})

test('a name server that is silent, and a port that another program has', async () => {
  const namespaces = await upNamespaces([2])
  if (!namespaces) return
  hosts = namespaces
  await serve(namespaces.host(1), `require('node:dgram').createSocket('udp4').bind(53, () => console.log('up'))`)
  await serve(namespaces.host(0), `require('node:dgram').createSocket('udp4').bind(7700, () => console.log('up'))`)
  const resolv = path.join(folder, 'resolv.conf')
  fs.writeFileSync(resolv, 'nameserver 10.77.0.2\n')
  const run = await doctor(namespaces.host(0), {
    first: `mount --bind '${resolv}' /etc/resolv.conf`,
    env: { CLOUD_CONTROL_URL: 'http://cloud.example:3000' },
  })
  expect(run.tookMs).toBeLessThan(10_000)
  expect(lines(run, 'DNS')).toMatchObject([{ state: 'fail', message: expect.stringContaining('10.77.0.2 does not answer.') }])
  const [taken] = lines(run, 'Port 7700/udp')
  expect(taken).toMatchObject({ state: 'warn', message: expect.stringContaining('has it: the agent takes the next free one') })
  if (thisMachine.has('ss')) expect(taken?.fix).toMatch(/^kill \d+, then restart the agent$/)
})

test('disks: mounted read-only, without execution', async () => {
  hosts = await upHosts({ subnets: [1] })
  if (!(hosts instanceof NamespaceHosts)) {
    console.log(hosts.notice)
    return
  }
  const host = hosts.host(0)
  const state = path.join(folder, 'state')
  fs.mkdirSync(state)
  const noexec = await doctor(host, { only: 'disk', first: `mount -t tmpfs -o noexec,size=1m thatdam-test '${state}'` })
  expect(lines(noexec, 'Disk')).toContainEqual({
    name: 'Disk',
    state: 'fail',
    message: expect.stringContaining(`Programs may not run from the disk of ${state} (thatdam-test on ${state})`),
    fix: expect.stringContaining(`sudo mount -o remount,exec ${state}`),
  })
  const readOnly = await doctor(host, { only: 'state-directory,disk', first: `mount -t tmpfs -o ro,size=1m thatdam-test '${state}'` })
  expect(lines(readOnly, 'Disk')).toContainEqual(
    expect.objectContaining({ state: 'fail', fix: expect.stringContaining(`remount,rw ${state}`) }),
  )
  expect(lines(readOnly, 'State directory')).toMatchObject([{ state: 'fail', message: expect.stringContaining('EROFS') }])
})

const HTTPS = (name: string) => `
  const tls = { key: require('fs').readFileSync('${name}.key'), cert: require('fs').readFileSync('${name}.crt') }
  require('node:https').createServer(tls, (_, response) => response.end()).listen(443, () => console.log('up'))`

const at = (file: string) => path.join(folder, file)
const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'ignore' })

/** A certificate for 10.77.0.2 by an authority of that name; both with openssl, which this needs. */
function certify(authority: string): { ca: string; name: string } {
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
  openssl('req', '-x509', ...key, '-keyout', at('ca.key'), '-out', at('ca.crt'), '-subj', `/O=${authority}/CN=${authority} Root`)
  openssl('req', ...key.slice(0, -2), '-keyout', at('server.key'), '-out', at('server.csr'), '-subj', '/CN=cloud')
  fs.writeFileSync(at('names'), 'subjectAltName=IP:10.77.0.2\n')
  openssl(
    'x509',
    '-req',
    '-in',
    at('server.csr'),
    '-CA',
    at('ca.crt'),
    '-CAkey',
    at('ca.key'),
    '-CAcreateserial',
    '-days',
    '2',
    '-extfile',
    at('names'),
    '-out',
    at('server.crt'),
  )
  return { ca: at('ca.crt'), name: at('server') }
}

test('TLS: an authority that nobody knows, one that the system trusts, one that is trusted for good, a known inspector', async () => {
  const namespaces = await upNamespaces([2])
  if (!namespaces) return
  if (!thisMachine.has('openssl')) {
    console.log('There is no openssl here to make certificates with.')
    return
  }
  hosts = namespaces
  const [host, cloud] = [namespaces.host(0), namespaces.host(1)]
  const env = { CLOUD_CONTROL_URL: 'https://10.77.0.2' }
  const own = certify('Acme Works')
  await serve(cloud, HTTPS(own.name))
  const unknown = lines(await doctor(host, { only: 'tls', env }), 'TLS')[0]
  expect(unknown).toMatchObject({
    state: 'fail',
    message: expect.stringContaining('by “Acme Works, Acme Works Root”'),
    fix: expect.stringContaining('NODE_EXTRA_CA_CERTS'),
  })
  const bySystem = lines(await doctor(host, { only: 'tls', env: { ...env, SSL_CERT_FILE: own.ca } }), 'TLS')[0]
  expect(bySystem).toMatchObject({
    state: 'fail',
    message: expect.stringContaining('which this system trusts'),
    fix: expect.stringContaining('NODE_USE_SYSTEM_CA=1'),
  })
  // Each fix is one that works.
  expect(lines(await doctor(host, { only: 'tls', env: { ...env, SSL_CERT_FILE: own.ca, NODE_USE_SYSTEM_CA: '1' } }), 'TLS')[0]?.state).toBe(
    'ok',
  )
  expect(lines(await doctor(host, { only: 'tls', env: { ...env, NODE_EXTRA_CA_CERTS: own.ca } }), 'TLS')[0]?.state).toBe('ok')
  await cloud.kill()
  await serve(cloud, HTTPS(certify('Zscaler Inc.').name))
  expect(lines(await doctor(host, { only: 'tls', env }), 'TLS')[0]).toMatchObject({
    state: 'fail',
    message: expect.stringContaining('is made by Zscaler. The agent refuses it.'),
  })
})
