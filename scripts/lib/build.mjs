// Builds what start and the tests run: turbo's cache makes the second time quick.
import { inRoot, node26 } from './paths.mjs'
import { run } from './run.mjs'
import { giveUp } from './say.mjs'

/** @param {(text: string) => void} say */
export async function buildAll(say) {
  say('building the apps (turbo; a minute or two the first time)')
  const turbo = inRoot('node_modules', 'turbo', 'bin', 'turbo')
  const built = await run(node26, [turbo, 'run', 'build', '--output-logs=errors-only', '--log-order=grouped'], { quiet: true })
  if (built.code !== 0) {
    console.error(built.output)
    giveUp('The build failed; the messages are above.')
  }
  say('packing the agent and the console for this platform')
  const packed = await run(node26, [inRoot('scripts', 'pack', 'pack.mjs')], {})
  if (packed.code !== 0) giveUp('Packing failed; the messages are above.')
}
