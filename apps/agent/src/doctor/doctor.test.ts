import fs from 'node:fs'
import http from 'node:http'
import net, { type AddressInfo } from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { run } from '../cli/doctor.ts'
import { readEnv } from '../env.ts'
import { openIdentity } from '../state/identity.ts'
import { makeStateDir, statePaths } from '../state/paths.ts'
import { checkAnswer, checkCloud, checkName } from './cloud.ts'
import { checkDisk, checkIndexPaths } from './disk.ts'
import { checkCameras, checkFfmpeg, checkPerl } from './media.ts'
import { checkConsolePort, checkNodePort } from './ports.ts'
import { checkAgent, checkIdentity, checkStateDir } from './state.ts'

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

it('state directory and identity: absent, good, readable by others, damaged', async () => {
  const folder = path.join(makeFolder(), 'state')
  expect((await checkStateDir(folder)).state).toBe('warn')
  makeStateDir(folder)
  expect((await checkStateDir(folder)).state).toBe('ok')
  expect(fs.readdirSync(folder)).toEqual([])
  expect((await checkIdentity(folder)).state).toBe('warn')
  const file = statePaths(folder).identity
  const identity = await openIdentity(file, { nodeId: null })
  expect(await checkIdentity(folder)).toMatchObject({ state: 'ok', message: expect.stringContaining(identity.nodeId) })
  fs.chmodSync(file, 0o644)
  expect(await checkIdentity(folder)).toMatchObject({ state: 'fail', fix: `chmod 600 '${file}'` })
  fs.writeFileSync(file, '{')
  expect(await checkIdentity(folder)).toMatchObject({ state: 'fail', message: expect.stringContaining('damaged') })
})

it('agent: none, and one that holds the directory but does not answer', () => {
  const folder = makeFolder()
  expect(checkAgent(folder, null).state).toBe('warn')
  fs.writeFileSync(statePaths(folder).pid, `${process.pid}\n`)
  expect(checkAgent(folder, null)).toMatchObject({ state: 'fail', message: expect.stringContaining(`Process ${process.pid}`) })
})

it('cloud: clock differences by the answer’s date, silence, a name that is none', async () => {
  const server = http.createServer((_request, response) => response.writeHead(204).end())
  const url = new URL(`http://127.0.0.1:${await listen(server)}`)
  const shifted = (seconds: number) => checkAnswer(url, () => Date.now() + seconds * 1000)
  expect((await shifted(0)).map((finding) => finding.state)).toEqual(['ok', 'ok'])
  expect((await shifted(60))[1]).toMatchObject({ state: 'warn', message: expect.stringContaining('ahead of') })
  expect((await shifted(-3600))[1]).toMatchObject({ state: 'fail', message: expect.stringContaining('behind') })
  server.close()
  server.closeAllConnections()
  expect((await checkAnswer(url))[0]).toMatchObject({ state: 'fail', message: expect.stringContaining('ECONNREFUSED') })
  expect((await checkName('no-such-name.invalid')).state).toBe('fail')
  expect((await checkName('[::1]')).state).toBe('ok')
  expect((await checkCloud(makeFolder(), null))[0]?.message).toContain('Not registered')
})

it('ports: free, ours, another node’s, another program’s', async () => {
  const node = http.createServer((_request, response) => response.end(JSON.stringify({ status: 'ok', node_id: 'desk-0a1b2c' })))
  const port = await listen(node)
  expect((await checkConsolePort(port, 'desk-0a1b2c')).state).toBe('ok')
  expect(await checkConsolePort(port, 'other-000000')).toMatchObject({ state: 'warn', message: expect.stringContaining('desk-0a1b2c') })
  const plain = await listen(net.createServer((socket) => socket.destroy()))
  expect((await checkConsolePort(plain, null)).message).toContain('Another program')
  expect((await checkNodePort(plain, false)).state).toBe('warn')
  expect((await checkNodePort(plain, true)).state).toBe('ok')
  node.close()
  node.closeAllConnections()
  expect((await checkConsolePort(port, null)).state).toBe('ok')
})

it('disk and indexed folders', async () => {
  const folder = makeFolder()
  const store = path.join(folder, 'state/store')
  expect((await checkDisk(store))[0]?.message).toContain('free where the store lies')
  fs.mkdirSync(path.join(folder, 'photos'))
  fs.writeFileSync(path.join(folder, 'file'), '')
  const states = (
    await checkIndexPaths(
      [path.join(folder, 'photos'), path.join(folder, 'gone'), path.join(folder, 'file'), path.join(store, 'in')],
      store,
    )
  ).map((finding) => finding.state)
  expect(states).toEqual(['ok', 'fail', 'fail', 'fail'])
  expect((await checkIndexPaths([path.join(folder, 'photos'), path.join(folder, 'photos/2024')], store))[1]?.message).toContain(
    'which is indexed too',
  )
  expect((await checkIndexPaths([], store))[0]?.state).toBe('ok')
})

it('ffmpeg, perl, cameras', async () => {
  expect((await checkFfmpeg(null)).map((finding) => [finding.name, finding.state])).toEqual([
    ['ffmpeg', 'ok'],
    ['Encoders', 'ok'],
  ])
  const broken = path.join(makeFolder(), 'ffmpeg')
  fs.writeFileSync(broken, '#!/bin/sh\nexit 1\n', { mode: 0o755 })
  expect((await checkFfmpeg(broken))[0]).toMatchObject({ state: 'fail', message: expect.stringContaining('does not run') })
  expect((await checkPerl())[0]?.state).toBe('ok')
  const root = makeFolder()
  expect((await checkCameras(root))[0]?.message).toContain('None')
  fs.mkdirSync(path.join(root, 'sys/class/video4linux/video0'), { recursive: true })
  fs.writeFileSync(path.join(root, 'sys/class/video4linux/video0/name'), 'Webcam\n')
  expect((await checkCameras(root))[0]).toMatchObject({ state: 'warn', message: expect.stringContaining('a container?') })
})

it('the command: a line and a fix each, JSON for programs, code 1 when something failed, under 10 s', async () => {
  const folder = makeFolder()
  const env = readEnv({
    ...process.env,
    STATE_DIR: path.join(folder, 'state'),
    INDEX_PATHS: path.join(folder, 'gone'),
  })
  const lines: string[] = []
  const context = { env, out: (line: string) => lines.push(line), err: () => {}, stdin: process.stdin }
  const startedAt = performance.now()
  expect(await run([], context)).toBe(1)
  expect(performance.now() - startedAt).toBeLessThan(10_000)
  expect(lines.find((line) => line.startsWith('✗ Index'))).toContain('is not there')
  expect(lines.some((line) => line.includes('→ Plug in its disk'))).toBe(true)
  lines.length = 0
  expect(await run(['--json'], { ...context, env: { ...env, indexPaths: null } })).toBe(0)
  expect(JSON.parse(lines.join('\n'))).toMatchObject({ ok: true })
})
