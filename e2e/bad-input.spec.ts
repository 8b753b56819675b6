import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { chmod, chown, mkdir, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { expect, test, type Page } from '@playwright/test'
import { canMount, startAgent, thatdam, type RunningAgent } from './support/agent.ts'
import { generateMedia, type GeneratedMedia } from './support/media.ts'
import { Person } from './support/person.ts'
import { expectNoProcesses, killAll, processesOf } from './support/processes.ts'
import { freePort, shell, startProduct, type Product } from './support/product.ts'

/*
 * What goes wrong at a person's desk: each trouble ends in one clear sentence and a non-zero exit, or shows on the page, and loses nothing.
 * What a unit test with real parts holds already (each refusal of a join, each damaged file, a full disk while recording) is not told again.
 */

test.describe.configure({ mode: 'serial' })

const NOBODY = 65_534
const isRoot = process.getuid?.() === 0

let home: string
let data: string
let media: GeneratedMedia
let product: Product
let ada: Person
let eve: Person
let expiring: { token: string; overAtMs: number }
const blockers: Server[] = []

async function blockedPort(): Promise<number> {
  const server = createServer()
  const port = await freePort()
  await new Promise<void>((resolve) => server.listen(port, resolve))
  blockers.push(server)
  return port
}

const machine = (): string => path.join(home, 'machine')
const identity = (): string => readFileSync(path.join(data, 'node', 'identity.json'), 'utf8')
const start = (environment: Readonly<Record<string, string>> = {}): Promise<Product> =>
  startProduct(data, { TEST_CAMERAS: 'clock', INDEX_PATHS: '', ...environment })

const install = async (token: string): Promise<{ code: number; output: string }> =>
  await shell(`curl -fsSL ${product.cloudUrl}/install.sh | sh -s -- --token '${token}' --dir '${machine()}' --no-start`)
const refused = async (token: string, sentence: RegExp): Promise<void> => {
  const { code, output } = await install(token)
  expect(output).toMatch(sentence)
  expect(code, output).toBe(1)
  expect(output).not.toMatch(/^\s+at |Error:/m)
  expect(output).not.toContain(token)
}

test.beforeAll(async () => {
  home = await realpath(await mkdtemp(path.join(os.tmpdir(), 'thatdam bad ')))
  await chmod(home, 0o755)
  data = path.join(home, 'data')
  media = await generateMedia(path.join(home, 'Footage'))
})

test.afterAll(async () => {
  for (const server of blockers) server.close()
  killAll(home)
  await Promise.all([ada?.close(), eve?.close()])
  await rm(home, { recursive: true, force: true })
})

test('taken ports: the next free ones, said clearly', async () => {
  const [PORT, SERVICE_PORT] = [String(await blockedPort()), String(await blockedPort())]
  product = await start({ PORT, SERVICE_PORT })
  expect(product.output()).toContain(
    `port ${PORT} is taken by another program: the cloud app uses ${new URL(product.cloudUrl).port} instead`,
  )
  expect(product.output()).toContain(`port ${SERVICE_PORT} is taken by another program: the console uses`)
  expect((await fetch(product.cloudUrl)).status).toBe(200)
  expect((await fetch(`${product.consoleUrl}/health`)).status).toBe(200)
  ada = await Person.signUp(product.cloudUrl, 'ada@example.org')
  eve = await Person.signUp(product.cloudUrl, 'eve@example.org')
  expiring = { token: await ada.token({ lifeMinutes: 1 }), overAtMs: Date.now() + 61_000 }
})

test('a second npm start says that one runs, and what to do', async () => {
  await expect(start()).rejects.toThrow(
    /ended with 1:[^]*ThatDAM already runs from here \(process \d+\): http\S+, console http\S+ Stop it with/,
  )
  expect((await fetch(`${product.consoleUrl}/health`)).status).toBe(200)
})

test.describe('join tokens', () => {
  test('mistyped, cut off, used, foreign: a sentence each, and a good one works afterwards', async () => {
    const [good, used] = [await ada.token(), await ada.token()]
    const other = { stateDir: path.join(home, 'other', 'state'), environment: { THATDAM_TOKEN: used } }
    expect(await thatdam(other, 'register', '--url', product.cloudUrl)).toMatchObject({ code: 0 })
    await refused(
      good.replace(/.$/, (last) => (last === 'A' ? 'B' : 'A')),
      /mistyped.*copy the whole command/,
    )
    await refused(good.slice(0, -7), /incomplete.*copy the whole command/)
    await refused('garden.jpg', /not a ThatDAM join token.*Add machine/)
    await refused(used, /already been used by another machine.*Make a new token/)
    expect(existsSync(path.join(machine(), 'state', 'credential.json'))).toBe(false)
    expect(await install(good)).toMatchObject({ code: 0, output: expect.stringContaining('Registered with ada’s machines') })
  })

  test('another organisation’s: refused until the owner lets the machine go', async () => {
    const credential = await readFile(path.join(machine(), 'state', 'credential.json'), 'utf8')
    const token = await eve.token()
    await refused(token, /belongs to another organisation.*Its owner removes it there/)
    expect(await readFile(path.join(machine(), 'state', 'credential.json'), 'utf8')).toBe(credential)
    const { nodeId } = JSON.parse(await readFile(path.join(machine(), 'state', 'identity.json'), 'utf8')) as { nodeId: string }
    await ada.removeNode((await ada.nodes()).find((node) => node.nodeId === nodeId)?.id ?? '')
    expect(await install(token)).toMatchObject({ code: 0, output: expect.stringContaining('eve’s machines') })
    expect(await shell(`sh '${machine()}/app/current/share/install.sh' --uninstall --purge --dir '${machine()}'`)).toMatchObject({
      code: 0,
    })
    expect(existsSync(machine())).toBe(false)
  })
})

test('the camera goes away while it is watched: the page says so, and it comes back by itself', async ({ page }) => {
  await page.goto(`${product.consoleUrl}/monitor`)
  await expect(page.getByTestId('live')).toBeVisible({ timeout: 30_000 })
  const frames = (): Promise<number> =>
    page
      .locator('video')
      .first()
      .evaluate((video: HTMLVideoElement) => video.getVideoPlaybackQuality().totalVideoFrames)
  await expect.poll(frames).toBeGreaterThan(5)
  const cameras = processesOf(data).filter((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('testsrc2'))
  expect(cameras).toHaveLength(1)
  const gone = expect(page.getByTestId('live')).toHaveCount(0)
  process.kill(cameras[0] ?? 0, 'SIGKILL')
  await gone
  await expect(page.getByTestId('live')).toBeVisible({ timeout: 30_000 })
  const before = await frames()
  await expect.poll(frames, { timeout: 20_000 }).not.toBe(before)
})

test.describe('folders and programs', () => {
  let agent: RunningAgent
  let stateDir: string
  let locked: string

  test.beforeAll(async () => {
    stateDir = path.join(home, 'agent')
    locked = path.join(home, 'locked')
    await mkdir(locked)
    await writeFile(path.join(locked, 'secret.jpg'), '')
    await chmod(locked, 0o000)
    await mkdir(stateDir, { mode: 0o700 })
    if (isRoot) await chown(stateDir, NOBODY, NOBODY)
  })
  test.afterAll(async () => {
    await agent?.stop()
    await chmod(locked, 0o700)
  })

  test('missing, unreadable, overlapping folders and our own: each is told on the page, the good one is indexed', async ({ page }) => {
    const missing = path.join(home, 'no such folder')
    const inner = path.join(media.directory, 'Übung 2026')
    const INDEX_PATHS = [media.directory, inner, missing, locked, path.join(stateDir, 'store')].join(';')
    agent = await startAgent({ stateDir, environment: { INDEX_PATHS, HOME: stateDir }, ...(isRoot ? { uid: NOBODY } : {}) })
    await expect.poll(async () => (await page.goto(agent.consoleUrl))?.status(), { timeout: 90_000 }).toBe(200)
    await expect(page.locator('button[data-asset]').filter({ hasText: 'garden.jpg' })).toBeVisible({ timeout: 60_000 })
    const told = await problems(page)
    expect(told).toContain(`${missing} is not there. Connect its disk, or correct the name.`)
    expect(told).toMatch(/Übung 2026 lies inside .*Footage, which is indexed already/)
    expect(told).toMatch(/store lies inside ThatDAM.s own folder/)
    expect(told).toMatch(/locked (cannot|may not) be read/)
  })

  test('a second agent on the same state directory: one sentence, and the first goes on', async () => {
    const { code, output } = await thatdam({ stateDir, ...(isRoot ? { uid: NOBODY } : {}) }, 'run')
    expect(code).toBe(1)
    expect(output.trim()).toMatch(
      /^thatdam: Another agent \(process \d+\) already runs with the state directory .* Stop it first, or set STATE_DIR/,
    )
    expect((await fetch(`${agent.consoleUrl}/health`)).status).toBe(200)
  })

  test('no ffmpeg: photos are seen, Monitor and Nodes say what is missing and the command for it', async ({ page }) => {
    test.skip(!canMount, 'hiding ffmpeg needs mounts of our own')
    await agent.stop()
    const mounts = 'for tool in ffmpeg ffprobe; do for place in $(which -a $tool); do mount --bind /dev/null "$place"; done; done'
    stateDir = path.join(home, 'no ffmpeg')
    agent = await startAgent({ stateDir, environment: { INDEX_PATHS: media.directory, TEST_CAMERAS: 'clock' }, mounts })
    await expect.poll(async () => (await page.goto(`${agent.consoleUrl}/monitor`))?.status(), { timeout: 90_000 }).toBe(200)
    const sentence = /ffmpeg is not installed on this machine\. Install it with/
    await expect(page.getByRole('article').getByText(sentence)).toBeVisible()
    await page.goto(`${agent.consoleUrl}/nodes`)
    await expect(page.getByText(sentence).first()).toBeVisible()
    await page.goto(agent.consoleUrl)
    await expect(page.locator('button[data-asset]').filter({ hasText: 'garden.jpg' }).locator('img')).toBeVisible({ timeout: 60_000 })
    await expect(page.locator('button[data-asset]').filter({ hasText: 'harbour.mp4' })).toBeVisible()
  })

  test('no disk space: one sentence that says where and what to do', async () => {
    test.skip(!canMount, 'a small disk needs mounts of our own')
    const disk = path.join(home, 'small disk')
    await mkdir(disk)
    const run = {
      stateDir: path.join(disk, 'state'),
      mounts: `mount -t tmpfs -o size=2m tmpfs '${disk}'\ndd if=/dev/zero of='${disk}/full' bs=64k 2>/dev/null || true`,
    }
    const { code, output } = await thatdam(run, 'run')
    expect(code).toBe(1)
    expect(output).toMatch(/thatdam: .*(no disk space left|takes no more data).* start again; nothing was lost\./)
  })
})

test('an expired token is refused in a sentence', async () => {
  test.setTimeout(120_000)
  await expect.poll(() => Date.now() > expiring.overAtMs, { timeout: 70_000 }).toBe(true)
  const run = { stateDir: path.join(home, 'late', 'state'), environment: { THATDAM_TOKEN: expiring.token } }
  const { code, output } = await thatdam(run, 'register', '--url', product.cloudUrl)
  expect(code).toBe(1)
  expect(output.trim()).toBe('thatdam: This join token has expired. Make a new token with “Add machine” in the cloud app.')
})

test.describe('stopping and starting', () => {
  test('kill -9 of the start script alone: all it started ends by itself, and the next start picks up where it was', async () => {
    const before = identity()
    product.process.kill('SIGKILL')
    await expectNoProcesses(data)
    product = await start()
    expect(identity()).toBe(before)
    expect(product.email).toBe('owner@thatdam.local')
    expect(product.output()).not.toContain('registering this machine')
  })

  test('SIGTERM to npm: everything stops in order', async () => {
    expect(await product.stop()).toBe(0)
    const child = spawn('npm', ['start', '--', '--yes', '--data', data], { cwd: path.resolve(import.meta.dirname, '..'), stdio: 'pipe' })
    const output = heard(child)
    await expect.poll(output, { timeout: 60_000 }).toContain('Ctrl-C stops everything')
    child.kill('SIGTERM')
    await ended(child)
    await expectNoProcesses(data)
    expect(existsSync(path.join(data, 'start.json'))).toBe(false)
  })

  test('Ctrl-C: ended in order, nothing orphaned', async () => {
    const child = spawn('npm', ['start', '--', '--yes', '--data', data], {
      cwd: path.resolve(import.meta.dirname, '..'),
      stdio: 'pipe',
      detached: true,
    })
    const output = heard(child)
    await expect.poll(output, { timeout: 60_000 }).toContain('Ctrl-C stops everything')
    process.kill(-(child.pid ?? 0), 'SIGINT')
    await ended(child)
    await expect.poll(output).toMatch(/stopping agent[^]*stopping cloud[^]*stopped/)
    await expectNoProcesses(data)
  })

  test('a damaged key: npm start says which file and what to do, and goes on as the same machine once it is restored', async () => {
    const whole = identity()
    const file = path.join(data, 'node', 'identity.json')
    await writeFile(file, whole.slice(0, 40))
    await expect(start()).rejects.toThrow(/ended with 1:[^]*identity\.json is damaged[^]*Restore the file from a backup/)
    expect(identity()).toBe(whole.slice(0, 40))
    await expectNoProcesses(data)
    await writeFile(file, whole)
    product = await start()
    const plan = path.join(data, 'node', 'plan.json')
    expect(await product.stop()).toBe(0)
    await writeFile(plan, '{"envelope": ')
    product = await start()
    expect(identity()).toBe(whole)
    expect(await readFile(`${plan}.damaged`, 'utf8')).toBe('{"envelope": ')
    expect(await product.stop()).toBe(0)
    await expectNoProcesses(data)
  })
})

async function problems(page: Page): Promise<string> {
  const button = page.getByTestId('index-bar').getByRole('button', { name: /problem/ })
  await expect(button).toBeVisible({ timeout: 60_000 })
  await button.click()
  return await page.getByRole('dialog').innerText()
}

function ended(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve) => child.once('close', (code) => resolve(code)))
}

function heard(child: ChildProcess): () => string {
  let output = ''
  child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()))
  child.stderr?.on('data', (chunk: Buffer) => (output += chunk.toString()))
  return () => output
}
