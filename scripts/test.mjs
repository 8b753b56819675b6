// npm test: everything that must hold, from a clean clone: style, types, laws, unit tests, build, the whole product in a browser, and a few faults.
import fs from 'node:fs'
import { parseArgs } from 'node:util'
import { buildAll } from './lib/build.mjs'
import { ensureInstalled } from './lib/install.mjs'
import { inRoot, node26, toolEnvironment } from './lib/paths.mjs'
import { ensureChromium, ensureFfmpeg } from './lib/programs.mjs'
import { run } from './lib/run.mjs'
import { makeSay } from './lib/say.mjs'

const { values: options } = parseArgs({
  options: {
    yes: { type: 'boolean' },
    'skip-e2e': { type: 'boolean' },
    'skip-unit': { type: 'boolean' },
    'skip-faults': { type: 'boolean' },
    'skip-sim': { type: 'boolean' },
  },
})
const say = makeSay('test')
const yes = options.yes === true || process.env.CI !== undefined || process.stdin.isTTY !== true
const total = { passed: 0, failed: 0 }

await ensureInstalled(say)
const ffmpegPath = await ensureFfmpeg({ yes, say })
const chromiumPath = await ensureChromium({ yes, say })
if (!ffmpegPath) say('ffmpeg is missing: the tests that need it will fail')
if (chromiumPath === null) say('a Chromium is missing: the tests in the browser will fail')
const env = {
  ...toolEnvironment(),
  ...(ffmpegPath && { FFMPEG_PATH: ffmpegPath }),
  ...(chromiumPath && { CHROMIUM_PATH: chromiumPath }),
}

await check('generate', ['node_modules/turbo/bin/turbo', 'run', 'generate', '--output-logs=errors-only'])
await check('format', ['node_modules/oxfmt/bin/oxfmt', '--check', '.'])
await check('lint', ['node_modules/oxlint/bin/oxlint', '--type-aware', '--deny-warnings'])
await check('types', ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.json'])
await buildAll(say) // before the unit tests: those of the cloud app and the packed archives use what is built
if (!options['skip-unit']) await unitTests()
if (!options['skip-e2e']) await browserTests()
// Whole rings in virtual time, the same ones on every machine: as many as fit into five minutes.
if (!options['skip-sim']) await check('simulated rings', ['packages/sim/src/cli.ts', '--seeds', '10000', '--seconds', '300'])
if (!options['skip-faults'])
  await check('faults', ['faults/run.ts', 'pause', 'partition', 'offline', 'restore', 'sleep', '--trials', '2', '--seconds', '15'])
console.log(`\n${total.passed} passed, ${total.failed} failed`)
process.exit(total.failed > 0 ? 1 : 0)

/** One check that passes or fails as a whole. @param {string} name @param {readonly string[]} args */
async function check(name, args) {
  say(name)
  const [script = '', ...rest] = args
  const result = await run(node26, [inRoot(script), ...rest], { env })
  count(name, result.code === 0 ? 1 : 0, result.code === 0 ? 0 : 1)
}

/** @param {string} name @param {number} passed @param {number} failed */
function count(name, passed, failed) {
  total.passed += passed
  total.failed += failed
  if (failed > 0) say(`${name}: ${failed} FAILED`)
}

async function unitTests() {
  say('unit tests')
  const reportFile = inRoot('test-results', 'unit.json')
  fs.rmSync(reportFile, { force: true })
  const args = ['run', '--reporter=default', '--reporter=json', `--outputFile.json=${reportFile}`]
  const result = await run(node26, [inRoot('node_modules', 'vitest', 'vitest.mjs'), ...args], { env })
  const report = readJson(reportFile)
  /** @type {readonly { status: string, assertionResults: readonly { status: string }[] }[]} */
  const files = report?.testResults ?? []
  // A file that could not be loaded has failed without a test of its own.
  const broken = files.filter((file) => file.status === 'failed' && file.assertionResults.every((one) => one.status !== 'failed'))
  const failed = (report?.numFailedTests ?? 0) + broken.length
  count('unit tests', report?.numPassedTests ?? 0, result.code === 0 && report ? 0 : Math.max(1, failed))
}

async function browserTests() {
  say('the product in a browser')
  const reportFile = inRoot('test-results', 'e2e.json')
  fs.rmSync(reportFile, { force: true })
  const result = await run(node26, [inRoot('node_modules', '@playwright', 'test', 'cli.js'), 'test', '-c', 'e2e/playwright.config.ts'], {
    env,
  })
  const stats = readJson(reportFile)?.stats
  const failed = (stats?.unexpected ?? 0) + (stats?.flaky ?? 0)
  count('the product in a browser', stats?.expected ?? 0, result.code === 0 && stats ? failed : Math.max(1, failed))
}

/** @param {string} file */
function readJson(file) {
  try {
    return JSON.parse(fs.readFileSync(file, 'utf8'))
  } catch {
    return null // the run ended before it wrote its report: counted as failed
  }
}
