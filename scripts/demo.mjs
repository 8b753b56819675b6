// npm run demo · npm run ring: a ring of real agents on this machine (demo/main.ts), from a clean clone.
import { spawn } from 'node:child_process'
import { pathToFileURL } from 'node:url'
import { buildAll } from './lib/build.mjs'
import { ensureInstalled } from './lib/install.mjs'
import { inRoot, node26, toolEnvironment } from './lib/paths.mjs'
import { ensureFfmpeg } from './lib/programs.mjs'
import { makeSay } from './lib/say.mjs'

const args = process.argv.slice(2)
const say = makeSay(args[0] ?? 'demo')
const isHelp = args.includes('--help') || args.includes('-h')

await ensureInstalled(say)
let ffmpegPath = null
if (!isHelp) {
  ffmpegPath = await ensureFfmpeg({ yes: process.stdin.isTTY !== true, say })
  await buildAll(say)
}
const env = { ...toolEnvironment(), ...(ffmpegPath && { FFMPEG_PATH: ffmpegPath }) }
const guard = pathToFileURL(inRoot('scripts', 'lib', 'parent-guard.mjs')).href
const child = spawn(node26, ['--import', guard, inRoot('demo', 'main.ts'), ...args], {
  env,
  stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
})
// A Ctrl-C at the terminal reaches the child too, a kill of this script does not. It ends everything in order, and this script waits for it.
for (const signal of /** @type {const} */ (['SIGINT', 'SIGHUP', 'SIGTERM'])) process.on(signal, () => child.kill(signal))
child.once('close', (code) => process.exit(code ?? 1))
