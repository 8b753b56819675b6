// The system programs that the product and its tests use.
import fs from 'node:fs'
import { inRoot, node26, toolEnvironment } from './paths.mjs'
import { run } from './run.mjs'
import { ensureProgram, findOnPath } from './system-program.mjs'

/**
 * FFMPEG_PATH, then PATH and the usual folders, then the package manager.
 * @param {{ yes: boolean, say: (text: string) => void }} options
 * @returns {Promise<string | null>}
 */
export async function ensureFfmpeg({ yes, say }) {
  const given = process.env.FFMPEG_PATH
  if (given) {
    if (fs.existsSync(given)) return given
    say(`FFMPEG_PATH names ${given}, which is not there: looking in the usual places instead.`)
  }
  return await ensureProgram({
    title: 'ffmpeg',
    names: ['ffmpeg'],
    packages: { apt: 'ffmpeg', brew: 'ffmpeg', winget: 'Gyan.FFmpeg' },
    without: 'Everything that needs no ffmpeg starts; cameras and video previews wait for it.',
    yes,
    say,
  })
}

/**
 * A Chromium for the tests: Playwright's own where it can be downloaded, else the system's.
 * @param {{ yes: boolean, say: (text: string) => void }} options
 * @returns {Promise<string | null>} path of a system browser; '' for Playwright's own; null for none
 */
export async function ensureChromium({ yes, say }) {
  const own = await playwrightOwn()
  if (own) return ''
  const system = findOnPath(['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'msedge'])
  if (system) return system
  say('fetching a Chromium for the tests')
  await run(node26, [inRoot('node_modules', 'playwright', 'cli.js'), 'install', 'chromium'], {
    quiet: true,
    timeoutMs: 300_000,
    env: toolEnvironment(),
  })
  if (await playwrightOwn()) return ''
  return await ensureProgram({
    title: 'Chromium',
    names: ['chromium', 'chromium-browser', 'google-chrome'],
    packages: { apt: 'chromium fonts-noto-color-emoji', brew: 'chromium', winget: 'Google.Chrome' },
    without: 'The tests in the browser need it.',
    yes,
    say,
  })
}

async function playwrightOwn() {
  const script = "import('playwright').then((p) => process.exit(require('node:fs').existsSync(p.chromium.executablePath()) ? 0 : 1))"
  return (await run(node26, ['-e', script], { quiet: true })).code === 0
}
