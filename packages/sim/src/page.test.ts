import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { chromium, type Browser } from 'playwright'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { recordSeed } from './history.ts'
import { layoutChanges, jumpWords } from './history-words.ts'
import { MUTANTS } from './mutants.ts'
import { pageOf } from './page.ts'
import { RULES } from './rules.ts'
import { runSeed } from './run.ts'

const SMALL = { from: 3, to: 9 }
const SEED = 7
const folder = mkdtempSync(join(tmpdir(), 'thatdam-page-'))
let browser: Browser

beforeAll(async () => {
  const own = process.env['CHROMIUM_PATH'] ?? chromium.executablePath()
  browser = await chromium.launch({ executablePath: existsSync(own) ? own : '/usr/bin/chromium', args: ['--no-sandbox'] })
})
afterAll(async () => {
  await browser.close()
  rmSync(folder, { recursive: true })
})

test('writing a run down does not change it', () => {
  for (let seed = 1; seed <= 12; seed++) expect(recordSeed(seed, SMALL, RULES).run).toEqual(runSeed(seed, SMALL, RULES))
})

test('every machine has a role at every instant, and every election and every fault is in the list', () => {
  for (let seed = 1; seed <= 12; seed++) {
    const lines: string[] = []
    runSeed(seed, SMALL, RULES, (line) => lines.push(line))
    const { history } = recordSeed(seed, SMALL, RULES)
    for (const { segments } of history.nodes) {
      expect([segments[0]?.fromMs, segments.at(-1)?.toMs]).toEqual([history.startMs, history.endMs])
      for (const [index, segment] of segments.entries()) expect(segments[index + 1]?.fromMs ?? segment.toMs).toBe(segment.toMs)
    }
    const leads = history.events.filter((event) => event.kind === 'lead' && event.mark.startsWith('leads'))
    expect(leads.map((event) => event.text)).toEqual(lines.filter((line) => / leads, term /.test(line)).map((line) => line.slice(10)))
    const jumps = history.events.filter((event) => event.mark.startsWith('clock '))
    expect(jumps).toHaveLength(lines.filter((line) => line.includes('"kind":"wall-jump"')).length)
    const cuts = lines.filter((line) => line.includes('"kind":"cut"') && !/"(from|to)":\[\]/.test(line))
    expect(history.cuts).toHaveLength(cuts.length)
    expect(history.events.filter((event) => event.mark === 'cut')).toHaveLength(cuts.length)
    expect(history.events.map((event) => event.atMs)).toEqual(history.events.map((event) => event.atMs).toSorted((a, b) => a - b))
  }
})

test('details of a large ring are thinned, and the page says how many are missing; nothing else is', () => {
  const { history } = recordSeed(14, { from: 42, to: 42 }, RULES)
  const details = history.events.filter((event) => event.kind === 'detail')
  expect(details.length).toBeLessThanOrEqual(800)
  expect(history.notes.join(' ')).toMatch(/\d+ entr(y|ies) evenly spread/)
  expect(JSON.stringify(history).length).toBeLessThan(1_000_000)
})

test('words: how far a clock jumped, what a layout changes', () => {
  expect([jumpWords(-90_000), jumpWords(3 * 86_400_000), jumpWords(40)]).toEqual(['−2 min', '+3 d', '+40 ms'])
  expect(layoutChanges(new Map(), new Map())).toEqual([])
})

test('a seed gives the same page, byte for byte', async () => {
  const { history } = recordSeed(SEED, SMALL, RULES)
  const page = await pageOf(history)
  expect(await pageOf(recordSeed(SEED, SMALL, RULES).history)).toBe(page)
  expect(page.length).toBeLessThan(900_000)
  expect(page).not.toContain(process.cwd())
})

test('the command writes the page, which is stepped through from disk without network, errors or sideways overflow', async () => {
  const path = join(folder, 'out.html')
  const { status, stderr } = spawnSync(process.execPath, [join(import.meta.dirname, 'cli.ts'), '--seed', String(SEED), '--html', path], {
    encoding: 'utf8',
  })
  expect([status, stderr]).toEqual([0, ''])
  for (const width of [1440, 390]) {
    const page = await browser.newPage({ viewport: { width, height: 844 }, reducedMotion: 'reduce' })
    const complaints: string[] = []
    page.on('console', (message) => complaints.push(message.text()))
    page.on('pageerror', (error) => complaints.push(error.message))
    page.on('request', (request) => {
      if (!/^(file|data):/.test(request.url())) complaints.push(request.url())
    })
    await page.goto(pathToFileURL(path).href)
    const instant = async () => Number(await page.locator('[data-instant]').getAttribute('data-instant'))
    await page.keyboard.press('Home')
    const seen = [await instant()]
    for (let step = 0; step < 10; step++) {
      await page.keyboard.press('ArrowRight')
      seen.push(await instant())
    }
    expect(seen).toEqual([...new Set(seen)].toSorted((a, b) => a - b))
    expect(await page.locator('[aria-current=step]').count()).toBeGreaterThan(0)
    await page.keyboard.press('ArrowLeft')
    expect(await instant()).toBe(seen.at(-2))
    await page.keyboard.press('End')
    expect(await instant()).toBe(120_000)
    expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBe(0)
    await page.keyboard.press('Space')
    await page.locator('[data-instant]:not([data-instant="120000"])').waitFor()
    await page.getByRole('button', { name: 'Pause' }).click()
    await page.getByRole('checkbox', { name: 'Every detail' }).check()
    const machine = page.getByRole('list', { name: 'Machines' }).getByRole('button', { name: 'pi-0' })
    await machine.click()
    expect(await machine.getAttribute('aria-pressed')).toBe('true')
    expect(complaints).toEqual([])
    await page.close()
  }
}, 60_000)

test('a broken rule is shown in its own words, and is what the page opens at', async () => {
  const rules = MUTANTS['hold-down dropped'] ?? RULES
  const seeds = Array.from({ length: 200 }, (_, seed) => seed)
  const seed = seeds.find((each) => runSeed(each, SMALL, rules).violations.length > 0) ?? 0
  const { run, history } = recordSeed(seed, SMALL, rules)
  const broken = history.events.filter((event) => event.kind === 'violation')
  expect(broken.map((event) => `${(event.atMs / 1000).toFixed(3)} s: ${event.text}`)).toEqual(run.violations)
  expect(await pageOf(history)).toContain(`data-instant="${broken[0]?.atMs}"`)
})

test('a page that cannot be written, or of no seed, is answered with a sentence', () => {
  for (const args of [
    ['--seed', '1', '--nodes', '3', '--html', join(folder, 'no', 'such', 'folder.html')],
    ['--html', join(folder, 'x.html')],
  ]) {
    const { status, stderr } = spawnSync(process.execPath, [join(import.meta.dirname, 'cli.ts'), ...args], { encoding: 'utf8' })
    expect(status).toBe(2)
    expect(stderr).not.toContain('    at ')
  }
  expect(() => readFileSync(join(folder, 'x.html'))).toThrow('ENOENT')
})
