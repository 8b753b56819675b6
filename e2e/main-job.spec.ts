import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { expect, test, type Locator, type Page } from '@playwright/test'
import { generateMedia, type GeneratedMedia } from './support/media.ts'
import { expectNoProcesses, killAll, processesOf } from './support/processes.ts'
import { freePort, shell, startProduct, type Product } from './support/product.ts'

/*
 * The main job, as a stranger does it: sign up, copy one command, run it, and this machine's media and camera are on the page; then the
 * cloud goes away, and then the power.
 */

test.describe.configure({ mode: 'serial' })

let home: string
let media: GeneratedMedia
let product: Product
let page: Page
let consoleUrl: string
let machineDirectory: string
let consolePort: number

const PASSWORD = 'correct horse battery'
const RECORD_SECONDS = 5

test.beforeAll(async ({ browser }) => {
  home = await mkdtemp(path.join(os.tmpdir(), 'thatdam e2e '))
  machineDirectory = path.join(home, 'second machine')
  media = await generateMedia(path.join(home, 'Footage'))
  const [cloudPort, firstConsolePort] = [await freePort(), await freePort()]
  product = await startProduct(path.join(home, 'data'), {
    PORT: String(cloudPort),
    SERVICE_PORT: String(firstConsolePort),
    PUBLIC_URL: `http://127.0.0.1:${cloudPort}`,
  })
  page = await browser.newPage()
})

test.afterAll(async () => {
  killAll(home)
  await page?.close()
  await rm(home, { recursive: true, force: true })
})

/** Waits until a film's or a camera's clock has moved on. */
async function expectFramesToAdvance(video: Locator): Promise<void> {
  const frames = (): Promise<number> => video.evaluate((element: HTMLVideoElement) => element.getVideoPlaybackQuality().totalVideoFrames)
  await expect.poll(frames, { timeout: 20_000 }).toBeGreaterThan(5)
  const before = await frames()
  await expect.poll(frames, { timeout: 20_000 }).toBeGreaterThan(before + 10)
}

/** What the red plate on the camera says: the pre-roll counts, so it may begin at ten seconds. */
async function recordedSeconds(): Promise<number> {
  const [, minutes = '0', seconds = '0'] = /(\d+):(\d\d)/.exec((await page.getByTestId('recording').textContent()) ?? '') ?? []
  return Number(minutes) * 60 + Number(seconds)
}

const tile = (title: string): Locator => page.locator('button[data-asset]').filter({ hasText: title.replace('\n', ' ') })

async function openConsole(pathname: string): Promise<void> {
  await page.goto(consoleUrl + pathname)
}

test('npm start says where everything is', () => {
  expect(product.cloudUrl).toMatch(/^http:\/\//)
  expect(product.consoleUrl).toMatch(/^http:\/\/localhost:\d+$/)
  expect(product.oneTimePassword).toMatch(/\S{10,}/)
  expect(product.output()).toContain('Nothing is indexed yet')
})

test('signs up, and is offered a command', async () => {
  await page.goto(`${product.cloudUrl}/sign-up`)
  await page.getByLabel('E-mail address').fill('ada@example.org')
  await page.getByLabel('Password').fill(PASSWORD)
  await page.getByRole('button', { name: 'Create account' }).click()
  await expect(page.getByRole('heading', { name: 'Add a machine' })).toBeVisible()
  await expect(page.getByTestId('command')).toContainText('curl -fsSL')
})

test('the copied command installs, registers and starts; the page turns to connected by itself', async () => {
  await page.getByRole('button', { name: 'Copy command' }).click()
  const command = (await page.getByTestId('command').textContent())?.trim() ?? ''
  expect(command).toMatch(/^curl -fsSL http:\/\/\S+\/install\.sh \| sh -s -- --token td1\.\S+$/)
  consolePort = await freePort()
  const options = `--dir '${machineDirectory}' --port ${consolePort} --allow-index '${home}'`
  const installed = await shell(`${command} ${options}`, { TEST_CAMERAS: 'clock' })
  expect(installed.code, installed.output).toBe(0)
  await expect(page.getByTestId('connected')).toBeVisible()
  const again = await shell(`${command} ${options}`, { TEST_CAMERAS: 'clock' })
  expect(again.code, again.output).toBe(0)
  consoleUrl = `http://localhost:${consolePort}`
})

test('folders set on the cloud’s page reach the machine in under a second', async () => {
  await page.getByRole('link', { name: /^Open / }).click()
  await page.getByLabel('Folders to index').fill(media.directory)
  await page.getByRole('button', { name: 'Save' }).click()
  await expect(page.getByTestId('settings-state')).toHaveText('Applied on the machine', { timeout: 5000 })
})

test('a signed hand-off opens the machine’s own console', async () => {
  await expect
    .poll(async () => (await fetch(`${consoleUrl}/`)).ok && (await (await fetch(`${consoleUrl}/`)).text()).includes('Explorer'), {
      timeout: 90_000,
    })
    .toBe(true)
  const [opened] = await Promise.all([
    page.context().waitForEvent('page'),
    page.getByRole('button', { name: 'Open console' }).first().click(),
  ])
  await expect(opened).toHaveURL(new RegExp(`localhost:${consolePort}/`))
  await expect(opened.getByRole('link', { name: 'Explorer' }).first()).toBeVisible()
  await opened.close()
})

test('sees all the media, odd names too, and is told what could not be read', async () => {
  await openConsole('/')
  for (const title of [...media.photos, ...media.videos]) await expect(tile(title).first(), title).toBeVisible({ timeout: 60_000 })
  await expect(tile('notes.txt')).toHaveCount(0)
  await page
    .getByTestId('index-bar')
    .getByRole('button', { name: /problem/ })
    .click()
  await expect(page.getByRole('dialog').getByText(media.empty).first()).toBeVisible()
  await page.keyboard.press('Escape')
  await expect(tile('garden.jpg').locator('img')).toBeVisible({ timeout: 60_000 })
  await expect(tile(media.broken)).toContainText('This picture is broken', { timeout: 60_000 })
})

test('searches by name', async () => {
  await page.getByLabel(/^Search names/).fill('koln')
  await expect(page.locator('button[data-asset]')).toHaveCount(1)
  await expect(tile('Grüße aus Köln.jpg')).toBeVisible()
  await page.getByLabel(/^Search names/).fill('')
})

test('plays a film, and seeks in it by ranges', async () => {
  await tile('harbour.mp4').click()
  const video = page.getByTestId('preview').locator('video')
  await expectFramesToAdvance(video)
  await video.evaluate((element: HTMLVideoElement) => (element.currentTime = 3))
  await expect.poll(() => video.evaluate((element: HTMLVideoElement) => element.currentTime)).toBeGreaterThan(2.9)
  await page.keyboard.press('Escape')
})

test('sees the camera live and records it', async () => {
  await openConsole('/monitor')
  await expect(page.getByTestId('live')).toBeVisible({ timeout: 30_000 })
  await expectFramesToAdvance(page.locator('video').first())
  await page.getByRole('button', { name: /^Record / }).click()
  await expect(page.getByTestId('recording')).toBeVisible()
  const before = await recordedSeconds()
  await expect.poll(recordedSeconds, { timeout: 20_000 }).toBeGreaterThanOrEqual(before + RECORD_SECONDS)
  await expectFramesToAdvance(page.locator('video').first())
  await page.getByRole('button', { name: /^Stop recording / }).click()
  await expect(page.getByTestId('recording')).toHaveCount(0)
})

test('the recording is in the Explorer and plays', async () => {
  await openConsole('/')
  const recording = page.locator('button[data-asset]').filter({ hasText: 'Recording' })
  await expect(recording).toHaveCount(1, { timeout: 30_000 })
  await recording.click()
  const video = page.getByTestId('preview').locator('video')
  await expectFramesToAdvance(video)
  const durationSeconds = await video.evaluate((element: HTMLVideoElement) => element.duration)
  expect(durationSeconds).toBeGreaterThan(RECORD_SECONDS - 1)
  expect(durationSeconds).toBeLessThan(RECORD_SECONDS + 30)
  await page.keyboard.press('Escape')
})

test('where WebRTC does not come through a simple picture is there within seconds, and moves', async ({ browser }) => {
  const other = await browser.newPage({ storageState: await page.context().storageState() })
  // Nothing but relays may be used, and there is none: as behind a firewall that lets no UDP through.
  await other.addInitScript(() => {
    const Connection = RTCPeerConnection
    window.RTCPeerConnection = class extends Connection {
      constructor(configuration?: RTCConfiguration) {
        super({ ...configuration, iceTransportPolicy: 'relay' })
      }
    }
  })
  await other.goto(new URL('/monitor', consoleUrl).href)
  await expect(other.getByText('simple picture, as WebRTC does not come through')).toBeVisible({ timeout: 20_000 })
  await expect(other.getByTestId('live')).toBeVisible()
  const picture = other.locator('article img').first()
  const shown = () => picture.evaluate((element: HTMLImageElement) => element.src)
  const first = await shown()
  await expect.poll(shown, { timeout: 20_000 }).not.toBe(first)
  expect(await picture.evaluate((element: HTMLImageElement) => element.naturalWidth)).toBeGreaterThan(100)
  await other.close()
})

test('the cloud goes away: the console goes on', async () => {
  expect(await product.stop()).toBe(0)
  await expectNoProcesses(path.join(home, 'data'))
  await page.reload()
  await expect(tile('garden.jpg')).toBeVisible()
  await openConsole('/monitor')
  await expectFramesToAdvance(page.locator('video').first())
})

test('kill -9 of everything, and all is there again', async () => {
  expect(processesOf(machineDirectory).length).toBeGreaterThan(3)
  killAll(machineDirectory)
  await expectNoProcesses(machineDirectory)
  const child = spawn(path.join(machineDirectory, 'thatdam'), ['run'], {
    cwd: machineDirectory,
    env: { ...process.env, TEST_CAMERAS: 'clock' },
    stdio: 'ignore',
  })
  await expect.poll(async () => (await fetch(`${consoleUrl}/health`).catch(() => null))?.status, { timeout: 60_000 }).toBe(200)
  await openConsole('/')
  for (const title of [...media.photos, ...media.videos]) await expect(tile(title).first(), title).toBeVisible({ timeout: 60_000 })
  const recording = page.locator('button[data-asset]').filter({ hasText: 'Recording' })
  await expect(recording).toHaveCount(1)
  await openConsole('/monitor')
  await expectFramesToAdvance(page.locator('video').first())
  child.kill('SIGTERM')
  await expectNoProcesses(machineDirectory)
})
