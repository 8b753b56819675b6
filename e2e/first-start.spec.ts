import { mkdir, mkdtemp, realpath, rename, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { expect, test, type Browser, type Locator, type Page } from '@playwright/test'
import { thatdam } from './support/agent.ts'
import { generateMedia, type GeneratedMedia } from './support/media.ts'
import { expectNoProcesses, killAll } from './support/processes.ts'
import { freePort, startProduct, type Product } from './support/product.ts'
import { attachTold } from './support/told.ts'

/*
 * The first hour with the console: what is proposed, a password, the network, a phone, and setting things right without the cloud.
 * On every page of console and cloud: nothing scrolls sideways on a phone, and the browser has nothing to complain of.
 */

test.describe.configure({ mode: 'serial' })

const PASSWORD = 'a long enough password'
const PHONE = { width: 390, height: 844 }
const CONSOLE_PAGES = ['/', '/monitor', '/nodes', '/trash', '/settings']

let home: string
let media: GeneratedMedia
let product: Product
let page: Page
/** What the browser complained of, page by page. */
const complaints: string[] = []
/** Held back by the page on purpose while a wrong password is tried: the browser notes each refused request. */
const EXPECTED = /status of (403|409|429)/

const stateDir = (): string => path.join(home, 'data', 'node')
const tile = (title: string): Locator => page.locator('button[data-asset]').filter({ hasText: title })
const lanAddress = Object.values(os.networkInterfaces())
  .flatMap((addresses) => addresses ?? [])
  .find(({ family, internal }) => family === 'IPv4' && !internal)?.address
const lanUrl = (): string => `http://${lanAddress}:${new URL(product.consoleUrl).port}`

function listen(to: Page): Page {
  to.on('console', (message) => {
    if (message.type() === 'error' && !EXPECTED.test(message.text())) complaints.push(`${to.url()}: ${message.text()}`)
  })
  to.on('pageerror', (error) => complaints.push(`${to.url()}: ${error.message}`))
  return to
}

async function newBrowser(browser: Browser): Promise<Page> {
  return listen(await (await browser.newContext({ viewport: { width: 1440, height: 900 } })).newPage())
}

async function expectNoSidewaysScroll(at: Page, url: string): Promise<void> {
  await at.goto(url)
  await expect(at.locator('main, h1').first()).toBeVisible()
  await at.waitForLoadState('load')
  const wide = (): Promise<string[]> =>
    at.evaluate(() =>
      document.documentElement.scrollWidth <= window.innerWidth
        ? []
        : [...document.querySelectorAll('*')]
            .filter((element) => element.getBoundingClientRect().right > window.innerWidth + 1)
            .map((element) => `${element.tagName} ${element.className}`)
            .slice(0, 5),
    )
  await expect.poll(wide, { message: `${url} scrolls sideways` }).toEqual([])
}

test.beforeAll(async ({ browser }) => {
  home = await realpath(await mkdtemp(path.join(os.tmpdir(), 'thatdam first ')))
  media = await generateMedia(path.join(home, 'made'))
  await mkdir(path.join(home, '.config'))
  await writeFile(path.join(home, '.config', 'user-dirs.dirs'), 'XDG_PICTURES_DIR="$HOME/Bilder"\nXDG_VIDEOS_DIR="$HOME/Videos"\n')
  await rename(media.directory, path.join(home, 'Bilder'))
  await mkdir(path.join(home, 'Videos'))
  const [PORT, SERVICE_PORT] = [String(await freePort()), String(await freePort())]
  product = await startProduct(path.join(home, 'data'), { PORT, SERVICE_PORT, HOME: home, INDEX_PATHS: '', TEST_CAMERAS: 'clock' })
  page = await newBrowser(browser)
})

// oxlint-disable-next-line no-empty-pattern
test.afterEach(async ({}, testInfo) => await attachTold(testInfo, product, stateDir()))

test.afterAll(async () => {
  killAll(home)
  await page?.context().close()
  await rm(home, { recursive: true, force: true })
})

test('the first screen proposes the person’s pictures and videos folders, in their own language; one is chosen and indexed', async () => {
  await page.goto(product.consoleUrl)
  await expect(page.getByRole('heading', { name: 'What should be in your library?' })).toBeVisible()
  const choices = page.getByRole('button', { pressed: false }).filter({ hasText: home })
  await expect(choices).toHaveText([/Bilder/, /Videos/])
  await choices.first().click()
  await page.getByRole('button', { name: 'Add 1 folder' }).click()
  for (const title of ['garden.jpg', 'harbour.mp4']) await expect(tile(title)).toBeVisible({ timeout: 60_000 })
})

test('renames, trashes, takes out of the trash: also after a reload', async () => {
  await tile('garden.jpg').click()
  const preview = page.getByTestId('preview')
  await preview.getByRole('button', { name: 'Rename' }).click()
  const name = page.getByRole('dialog').getByRole('textbox', { name: 'Name' })
  await expect(name).toBeFocused()
  // The name is chosen up to its ending: typing keeps “.jpg”.
  await page.keyboard.type('Orchard in May')
  await expect(name).toHaveValue('Orchard in May.jpg')
  await page.keyboard.press('Enter')
  await expect(name).toHaveCount(0)
  await page.keyboard.press('Escape')
  await expect(preview).toHaveCount(0)
  await page.reload()
  await expect(tile('Orchard in May.jpg')).toBeVisible()
  await tile('Orchard in May.jpg').click()
  await preview.getByRole('button', { name: 'Move to trash' }).click()
  await expect(page.getByText('is in the trash. The file on disk stays as it is.').first()).toBeVisible()
  await page.goto(`${product.consoleUrl}/trash`)
  await tile('Orchard in May.jpg').click()
  await preview.getByRole('button', { name: 'Take out of the trash' }).click()
  await expect(page.getByText('“Orchard in May.jpg” is back.').first()).toBeVisible()
  await page.goto(product.consoleUrl)
  await expect(tile('Orchard in May.jpg')).toBeVisible()
})

test('without a password the console is on this machine only', async () => {
  test.skip(lanAddress === undefined, 'this machine has no network')
  await expect(fetch(`${lanUrl()}/health`)).rejects.toThrow()
})

test('with a password it opens in the network, and this browser stays signed in', async () => {
  await page.goto(`${product.consoleUrl}/settings`)
  await page.getByLabel('Password', { exact: true }).fill(PASSWORD)
  await page.getByRole('button', { name: 'Set the password' }).click()
  await expect(page.getByText('The password is set. The console now opens in your network too.', { exact: true })).toBeVisible()
  await expect(page.getByText('Open the console from another machine or a phone:')).toBeVisible()
  await page.goto(product.consoleUrl)
  await expect(tile('Orchard in May.jpg')).toBeVisible()
})

test('another machine: signs in with the password, and out again', async ({ browser }) => {
  const other = await newBrowser(browser)
  await other.goto(lanAddress === undefined ? product.consoleUrl : lanUrl())
  await expect(other.getByRole('heading', { name: 'Open the console' })).toBeVisible()
  expect((await other.request.get(`${new URL(other.url()).origin}/live/cameras`)).status()).toBe(401)
  await other.getByLabel('Password').fill(PASSWORD)
  await other.getByRole('button', { name: 'Sign in' }).click()
  await expect(other.locator('button[data-asset]').filter({ hasText: 'Orchard in May.jpg' })).toBeVisible()
  await other.getByRole('button', { name: 'Sign out', exact: true }).click()
  await expect(other.getByRole('heading', { name: 'Open the console' })).toBeVisible()
  await other.context().close()
})

test('a wrong password: a sentence, and soon a wait, also for the right one', async ({ browser }) => {
  const other = await newBrowser(browser)
  await other.goto(`${product.consoleUrl}/auth/signin`)
  const attempt = async (password: string): Promise<void> => {
    await other.getByLabel('Password').fill(password)
    const answered = other.waitForResponse((response) => response.url().endsWith('/auth/signin') && response.request().method() === 'POST')
    await other.getByRole('button', { name: 'Sign in' }).click()
    await answered
    await expect(other.getByRole('button', { name: 'Sign in' })).toBeEnabled()
  }
  await attempt('not the password')
  await expect(other.getByText('That is not the password.')).toBeVisible()
  for (let guesses = 1; guesses < 10; guesses += 1) await attempt(`guess number ${guesses}`)
  await attempt(PASSWORD)
  await expect(other.getByText(/Too many wrong passwords\. Wait \d+ minutes/)).toBeVisible()
  await other.context().close()
})

test('forgotten: reset on the machine brings the console back to this machine only, without the cloud', async () => {
  const run = { stateDir: stateDir(), environment: { HOME: home } }
  // Every connection ends while the door moves; a page left open would note that it was refused for a moment.
  await page.goto('about:blank')
  expect((await thatdam(run, 'password', '--reset')).output).toContain('The password is removed.')
  if (lanAddress !== undefined) await expect(fetch(`${lanUrl()}/health`)).rejects.toThrow()
  await page.goto(product.consoleUrl)
  await expect(tile('Orchard in May.jpg')).toBeVisible()
})

test('status and doctor tell how it is', async () => {
  const run = { stateDir: stateDir(), environment: { HOME: home } }
  const status = await thatdam(run, 'status')
  expect(status.output).toMatch(/Console\s+http:\/\/localhost:\d+ {2}\(only on this machine until a password is set\)/)
  expect(status.code).toBe(0)
  const doctor = await thatdam({ ...run, environment: { HOME: home, SERVICE_PORT: new URL(product.consoleUrl).port } }, 'doctor')
  expect(doctor.output).not.toMatch(/^✗/m)
  expect((await thatdam(run, 'logs')).output).toContain('runs as process')
})

test('on a phone no page of the console scrolls sideways', async () => {
  await page.setViewportSize(PHONE)
  for (const pathname of CONSOLE_PAGES) await expectNoSidewaysScroll(page, product.consoleUrl + pathname)
  await page.goto(product.consoleUrl)
  await tile('harbour.mp4').click()
  await expect(page.getByTestId('preview')).toBeVisible()
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(PHONE.width)
})

test('nor does one of the cloud app, from sign-in with the one-time password on', async () => {
  for (const pathname of ['/', '/sign-in', '/sign-up']) await expectNoSidewaysScroll(page, product.cloudUrl + pathname)
  await page.goto(`${product.cloudUrl}/sign-in`)
  await page.getByLabel('E-mail address').fill(product.email)
  await page.getByLabel('Password').fill(product.oneTimePassword ?? '')
  await page.getByRole('button', { name: 'Sign in' }).click()
  await expect(page).toHaveURL(/first-password/)
  await expectNoSidewaysScroll(page, page.url())
  await page.getByLabel('One-time password').fill(product.oneTimePassword ?? '')
  await page.getByLabel('New password').fill(PASSWORD)
  await page.getByRole('button', { name: 'Set password' }).click()
  await expect(page).not.toHaveURL(/first-password/)
  for (const pathname of ['/nodes', '/add-machine', '/account', '/activity'])
    await expectNoSidewaysScroll(page, product.cloudUrl + pathname)
  await page.goto(`${product.cloudUrl}/nodes`)
  await page.getByRole('link', { name: 'Settings' }).click()
  await expect(page.getByLabel('Folders to index')).toBeVisible()
  await expectNoSidewaysScroll(page, page.url())
})

test('the browser had nothing to complain of, and everything stops', async () => {
  expect(complaints).toEqual([])
  expect(await product.stop()).toBe(0)
  await expectNoProcesses(home)
  // The owner has chosen a password: none is printed any more.
  product = await startProduct(path.join(home, 'data'), { HOME: home, INDEX_PATHS: '' })
  expect(product.oneTimePassword).toBeNull()
  expect(await product.stop()).toBe(0)
})
