import { spawn, type ChildProcess } from 'node:child_process'
import path from 'node:path'
import { expect, test } from '@playwright/test'

const root = path.resolve(import.meta.dirname, '..')

let play: ChildProcess | null = null
let output = ''

/** Two machines whose ring starts in a fixed order; resolves with the addresses that it prints. */
async function startRing(): Promise<{ page: string; console: string }> {
  output = ''
  const args = ['ring', '--profiles', 'pi5-desktop,pi5-server', '--page-port', '0', '--console-port', '0']
  const child = spawn(process.execPath, [path.join(root, 'demo', 'main.ts'), ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  play = child
  const find = (name: RegExp): string | null => name.exec(output)?.[1] ?? null
  return await new Promise((resolve, reject) => {
    const keep = (chunk: Buffer): void => {
      output += chunk.toString()
      const found = { page: find(/The ring, live\s+(\S+)/), console: find(/The leader’s console\s+(\S+)/) }
      if (found.page !== null && found.console !== null) resolve({ page: found.page, console: found.console })
    }
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    child.once('close', (code) => reject(new Error(`npm run ring ended with ${code}:\n${output}`)))
  })
}

test.afterEach(async () => {
  if (play === null || play.exitCode !== null) return
  const ended = new Promise<void>((resolve) => play?.once('close', () => resolve()))
  play.kill('SIGINT')
  await ended
})

test('a ring to play with: a power cut is seen, another machine leads, and its console answers at the same address', async ({ page }) => {
  const at = await startRing()
  await page.goto(at.page)
  const row = (name: string) => page.locator(`[data-machine="${name}"]`)
  await expect(page.getByText('One ring at rest, led by')).toBeVisible()
  const leader = (await row('pi5-desktop').getByText('leader', { exact: true }).isVisible()) ? 'pi5-desktop' : 'pi5-server'
  const other = leader === 'pi5-desktop' ? 'pi5-server' : 'pi5-desktop'
  await page.getByRole('button', { name: `Power cut: ${leader}` }).click()
  await expect(row(leader).getByText('off', { exact: true })).toBeVisible()
  await expect(row(other).getByText('leader', { exact: true })).toBeVisible()
  await expect(page.getByText(`${leader} loses power.`)).toBeVisible()
  const answer = await page.request.get(`${at.console}/cluster`)
  expect(await answer.json()).toMatchObject({ node_id: other, role: 'leader' })
  await page.getByRole('button', { name: `Switch on: ${leader}` }).click()
  await expect(row(leader).getByText(/term \d+/)).toBeVisible()
})

test('the page is for browsers on this machine, and takes orders from its own page alone', async ({ page, request }) => {
  const at = await startRing()
  const data = { act: 'power-cut', machines: ['pi5-server'] }
  const foreign = await request.post(`${at.page}/act`, { data, headers: { origin: 'http://evil.example' } })
  expect(foreign.status()).toBe(403)
  expect((await request.get(`${at.page}/ring`, { headers: { host: 'evil.example' } })).status()).toBe(403)
  const nonsense = await request.post(`${at.page}/act`, { data: { act: 'explode', machines: [] }, headers: { origin: at.page } })
  expect(nonsense.status()).toBe(400)
  await page.goto(at.page)
  await expect(page.locator('[data-machine="pi5-server"]').getByText(/term \d+/)).toBeVisible()
  expect(await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)).toBe(0)
})
