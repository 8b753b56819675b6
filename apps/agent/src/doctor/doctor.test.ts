import { createSocket } from 'node:dgram'
import fs from 'node:fs'
import http from 'node:http'
import net, { type AddressInfo } from 'node:net'
import os from 'node:os'
import path from 'node:path'
import type { Finding } from '@thatdam/protocol/doctor'
import type { LocalState } from '@thatdam/protocol/local'
import { fakeState } from '@thatdam/testkit/fake-state'
import { afterEach, expect, it } from 'vitest'
import { openIdentity } from '../state/identity.ts'
import { makeStateDir, statePaths } from '../state/paths.ts'
import type { Check } from './check.ts'
import { check as agentCheck } from './checks/agent.ts'
import { checkLinux } from './checks/cameras.ts'
import { check as clockCheck } from './checks/clock.ts'
import { check as cloudCheck } from './checks/cloud.ts'
import { check as diskCheck } from './checks/disk.ts'
import { check as dnsCheck } from './checks/dns.ts'
import { check as ffmpegCheck } from './checks/ffmpeg.ts'
import { check as identityCheck } from './checks/identity.ts'
import { check as indexCheck } from './checks/index-paths.ts'
import { check as nameCheck } from './checks/name.ts'
import { check as perlCheck } from './checks/perl.ts'
import { check as portsCheck } from './checks/ports.ts'
import { check as stateCheck } from './checks/state.ts'
import { examine } from './examine.ts'
import { ok } from './finding.ts'
import { thisMachine } from './machine.ts'
import { contextOf, otherMachine } from './testing/machine.ts'
import { grants, holdersOf } from './v4l2-access.ts'

const undo: (() => void)[] = []
afterEach(() => {
  for (const step of undo.splice(0)) step()
})
function makeFolder(): string {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'thatdam-doctor-'))
  undo.push(() => fs.rmSync(folder, { recursive: true, force: true }))
  return folder
}
async function listen(server: net.Server): Promise<number> {
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  undo.push(() => server.close())
  return (server.address() as AddressInfo).port
}
const serverAhead = (seconds: number) =>
  http.createServer((_request, response) => response.writeHead(204, { date: new Date(Date.now() + seconds * 1000).toUTCString() }).end())
const sameNameAt = async () => ({ interfaces: [], sameName: ['10.0.0.9'], nodes: [] })
const one = (findings: readonly Finding[]) => findings[0]

it('a check that hangs, one that throws and a tool that hangs each become a line of their own, and the others are told at once', async () => {
  const folder = makeFolder()
  const tool = path.join(folder, 'slow-tool')
  fs.writeFileSync(tool, '#!/bin/sh\nexec sleep 60\n', { mode: 0o755 })
  const checks: Check[] = [
    { name: 'Hangs', limitMs: 400, run: () => new Promise(() => {}) },
    { name: 'Throws', limitMs: 400, run: () => Promise.reject(Object.assign(new Error('no'), { code: 'EBOOM' })) },
    { name: 'Tool', limitMs: 800, run: async ({ machine }) => [ok('Tool', (await machine.run(tool, [])).timedOut ? 'cut' : 'not cut')] },
    { name: 'Fine', limitMs: 400, run: async () => [ok('Fine', 'fine')] },
  ]
  const told = new Map<string, Finding[]>()
  const startedMs = performance.now()
  await examine(checks, await contextOf(folder), (name, findings) => told.set(name, findings))
  expect(performance.now() - startedMs).toBeLessThan(3_000)
  expect([...told.keys()].slice(0, 2).toSorted()).toEqual(['Fine', 'Throws'])
  expect(one(told.get('Hangs') ?? [])).toMatchObject({ state: 'warn', message: 'Could not be checked (no answer within 0.4 s).' })
  expect(one(told.get('Throws') ?? [])?.message).toContain('EBOOM')
  expect(told.get('Tool')).toMatchObject([{ message: 'cut' }, { state: 'warn', message: 'slow-tool did not answer and was ended.' }])
})

it('state directory and identity: absent, good, not writable, readable by others, damaged', async () => {
  const folder = path.join(makeFolder(), 'state')
  const context = await contextOf(folder)
  expect(one(await stateCheck.run(context))?.state).toBe('warn')
  makeStateDir(folder)
  expect(one(await stateCheck.run(context))?.state).toBe('ok')
  expect(fs.readdirSync(folder)).toEqual(['.thatdam'])
  expect(one(await identityCheck.run(context))?.state).toBe('warn')
  const file = statePaths(folder).identity
  const identity = await openIdentity(file, { nodeId: null })
  expect(one(await identityCheck.run(context))).toMatchObject({ state: 'ok', message: expect.stringContaining(identity.nodeId) })
  fs.chmodSync(file, 0o644)
  expect(one(await identityCheck.run(context))).toMatchObject({ state: 'fail', fix: `chmod 600 '${file}'` })
  fs.writeFileSync(file, '{')
  expect(one(await identityCheck.run(context))).toMatchObject({ state: 'fail', message: expect.stringContaining('damaged') })
  expect(one(await stateCheck.run(await contextOf(file)))).toMatchObject({
    state: 'fail',
    fix: expect.stringContaining('A file has its name'),
  })
})

it('agent: none, and one that holds the directory but does not answer', async () => {
  const folder = makeFolder()
  expect(one(await agentCheck.run(await contextOf(folder)))?.state).toBe('warn')
  fs.writeFileSync(statePaths(folder).pid, `${process.pid}\n`)
  expect(one(await agentCheck.run(await contextOf(folder)))).toMatchObject({
    state: 'fail',
    message: expect.stringContaining(`Process ${process.pid}`),
  })
})

it('cloud: answers, is silent, drips for ever; names that are none, or need none', async () => {
  const folder = makeFolder()
  const drips = net.createServer((socket) => {
    socket.on('error', () => {})
    const timer = setInterval(() => socket.write('H'), 50)
    socket.once('close', () => clearInterval(timer))
  })
  const server = http.createServer((_request, response) => response.writeHead(204).end())
  const at = async (port: number) => await contextOf(folder, { cloud: new URL(`http://127.0.0.1:${port}`) })
  const port = await listen(server)
  expect(one(await cloudCheck.run(await at(port)))?.state).toBe('ok')
  const refused = { ...fakeState().cloud, state: 'refused' as const, reason: 'Its disk was probably copied.' }
  const agent = { ...fakeState(), cloud: refused }
  expect(one(await cloudCheck.run({ ...(await at(port)), agent }))).toMatchObject({ state: 'fail', message: refused.reason })
  server.close()
  server.closeAllConnections()
  expect(one(await cloudCheck.run(await at(port)))).toMatchObject({ state: 'fail', message: expect.stringContaining('ECONNREFUSED') })
  expect(one(await cloudCheck.run(await at(await listen(drips))))?.state).toBe('fail')
  expect(one(await cloudCheck.run(await contextOf(folder)))?.message).toContain('Not registered')
  const named = async (host: string) => one(await dnsCheck.run(await contextOf(folder, { cloud: new URL(`http://${host}`) })))?.state
  expect([await named('no-such-name.invalid'), await named('[::1]'), await named('localhost')]).toEqual(['fail', 'ok', 'ok'])
})

it('clock: by the cloud’s date, and whose it is when the ring’s others agree with ours', async () => {
  const folder = makeFolder()
  const machine = otherMachine('linux', {})
  const by = async (seconds: number) =>
    one(
      await clockCheck.run(await contextOf(folder, { machine, cloud: new URL(`http://127.0.0.1:${await listen(serverAhead(seconds))}`) })),
    )
  expect(await by(0)).toMatchObject({ state: 'ok' })
  expect(await by(-60)).toMatchObject({ state: 'warn', message: expect.stringContaining('ahead of') })
  expect(await by(3600)).toMatchObject({ state: 'fail', message: expect.stringContaining('behind'), fix: 'sudo timedatectl set-ntp true' })
  const members = await Promise.all(
    [0, 0, 500].map(async (seconds, index) => ({
      name: `node-${index}`,
      self: false,
      awake: true,
      consoleUrl: `http://127.0.0.1:${await listen(serverAhead(seconds))}`,
    })),
  )
  const agent = { members } as unknown as LocalState
  expect(one(await clockCheck.run(await contextOf(folder, { machine, agent })))).toMatchObject({
    state: 'warn',
    message: expect.stringMatching(/^The clock of node-2 is (499|500|501) s ahead/),
  })
})

it('name: missing, unusable, somebody else’s too, twice in the ring', async () => {
  const folder = makeFolder()
  const named = async (hostname: string, more = {}) =>
    one(await nameCheck.run(await contextOf(folder, { machine: otherMachine('linux', {}, { hostname }), ...more })))
  expect((await named(''))?.state).toBe('fail')
  expect(await named('localhost.localdomain')).toMatchObject({ state: 'fail', fix: expect.stringContaining('hostnamectl set-hostname') })
  expect(await named('Ada_s PC')).toMatchObject({ state: 'warn', fix: expect.stringContaining('set-hostname ada-s-pc') })
  expect((await named('studio'))?.state).toBe('ok')
  expect(await named('studio', { lookAround: sameNameAt })).toMatchObject({ state: 'warn', message: expect.stringContaining('10.0.0.9') })
  const agent = { settings: { name: 'Pi' }, members: [{ nodeId: 'pi-1', name: 'Pi', self: false }] } as unknown as LocalState
  expect((await named('studio', { agent }))?.message).toContain('pi-1')
})

it('ports: free, ours, another node’s, another program’s by its name', async () => {
  const folder = makeFolder()
  const node = http.createServer((_request, response) => response.end(JSON.stringify({ status: 'ok', node_id: 'desk-0a1b2c' })))
  const consolePort = await listen(node)
  const udp = createSocket('udp4')
  await new Promise<void>((resolve) => {
    udp.bind(0, '0.0.0.0', resolve)
  })
  undo.push(() => udp.close())
  const agent = { node: { nodeId: 'desk-0a1b2c' } } as unknown as LocalState
  const run = async (more: object) => await portsCheck.run(await contextOf(folder, { consolePort, nodePort: udp.address().port, ...more }))
  const [own, , taken] = await run({ agent })
  expect(own?.state).toBe('ok')
  // Who it is can be told where ss or lsof is.
  expect(taken).toMatchObject({ state: 'warn', message: expect.stringMatching(/(\(process \d+\)|Another program) has it/) })
  if (thisMachine.has('ss') || thisMachine.has('lsof')) expect(taken?.fix).toBe(`kill ${process.pid}, then restart the agent`)
  expect((await run({ agentPid: process.pid }))[2]?.state).toBe('ok')
  expect(one(await run({}))?.message).toContain('Another ThatDAM node (desk-0a1b2c)')
  const plain = await listen(net.createServer((socket) => socket.destroy()))
  expect(one(await run({ consolePort: plain }))).toMatchObject({ state: 'warn', message: expect.stringContaining('has it') })
  node.close()
  node.closeAllConnections()
  expect(one(await run({}))?.state).toBe('ok')
})

it('disk and indexed folders', async () => {
  const folder = makeFolder()
  const context = await contextOf(path.join(folder, 'state'))
  const findings = await diskCheck.run(context)
  expect(one(findings)?.message).toContain('free where the store lies')
  expect(findings.some((finding) => finding.message.startsWith('Saves within') || finding.message.includes('to save'))).toBe(true)
  expect(fs.readdirSync(folder)).toEqual([])
  const store = context.env.casRoot
  fs.mkdirSync(path.join(folder, 'photos'))
  fs.writeFileSync(path.join(folder, 'file'), '')
  const index = async (...indexPaths: string[]) => await indexCheck.run({ ...context, env: { ...context.env, indexPaths } })
  const [photos, inside] = [path.join(folder, 'photos'), path.join(folder, 'photos/2024')]
  const states = (await index(photos, path.join(folder, 'gone'), path.join(folder, 'file'), path.join(store, 'in'))).map(
    ({ state }) => state,
  )
  expect(states).toEqual(['ok', 'fail', 'fail', 'fail'])
  expect((await index(photos, inside))[1]?.message).toContain('which is indexed too')
  expect(one(await index())?.state).toBe('ok')
})

it('ffmpeg: good, too old, broken, without H.264; perl', async () => {
  const folder = makeFolder()
  const states = async (ffmpegPath: string | null) => {
    const context = await contextOf(folder)
    const findings = await ffmpegCheck.run({ ...context, env: { ...context.env, ffmpegPath } })
    return findings.filter(({ name }) => name !== 'ffprobe').map(({ name, state }) => `${name} ${state}`)
  }
  expect(await states(null)).toEqual(['ffmpeg ok', 'Encoders ok'])
  const fake = (name: string, script: string) => {
    const file = path.join(folder, name)
    fs.writeFileSync(file, `#!/bin/sh\n${script}\n`, { mode: 0o755 })
    return file
  }
  const old = fake('old', 'case $2 in -version) echo "ffmpeg version 3.4.8-0ubuntu0.2 Copyright";; *) echo " V....D libx264 x";; esac')
  expect(await states(old)).toEqual(['ffmpeg fail', 'Encoders ok'])
  const bare = fake(
    'bare',
    'case $2 in -version) echo "ffmpeg version n7.1 Copyright";; *) echo " V....D mjpeg MJPEG"; echo " V..... h264_nvenc x";; esac',
  )
  expect(await states(bare)).toEqual(['ffmpeg ok', 'Encoders fail'])
  expect(await states(fake('broken', 'exit 1'))).toEqual(['ffmpeg fail'])
  expect(one(await perlCheck.run(await contextOf(folder)))?.state).toBe('ok')
})

it('cameras on Linux: none, without a device node, by group and mode, and who has a device open', async () => {
  const root = makeFolder()
  const context = await contextOf(root)
  expect(one(await checkLinux(context, root))?.message).toContain('None')
  fs.mkdirSync(path.join(root, 'sys/class/video4linux/video0'), { recursive: true })
  fs.writeFileSync(path.join(root, 'sys/class/video4linux/video0/name'), 'Webcam\n')
  expect(one(await checkLinux(context, root))).toMatchObject({ state: 'warn', message: expect.stringContaining('a container?') })
  fs.mkdirSync(path.join(root, 'dev'))
  fs.writeFileSync(path.join(root, 'dev/video0'), '', { mode: 0o600 })
  expect(one(await checkLinux(context, root))?.state).toBe('ok')
  const device = { uid: 0, gid: 44, mode: 0o20660 }
  const account = (uid: number, ...gids: number[]) => grants(device, { uid, gids, name: 'x' })
  expect([account(1000), account(1000, 1000, 44), account(0)]).toEqual([false, true, true])
  if (process.platform !== 'linux') return
  const held = path.join(root, 'dev/video0')
  const handle = fs.openSync(held, 'r')
  expect((await holdersOf(fs.realpathSync(held))).map(({ pid }) => pid)).toEqual([process.pid])
  fs.closeSync(handle)
})
