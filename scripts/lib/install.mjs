// `npm ci` when, and only when, the lock file or the platform changed since the last complete one.
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import { giveUp } from './say.mjs'
import { inRoot, systemPath } from './paths.mjs'
import { run } from './run.mjs'

const stampFile = inRoot('node_modules', '.installed')

function lockHash() {
  return createHash('sha256')
    .update(fs.readFileSync(inRoot('package-lock.json')))
    .update(process.platform + process.arch)
    .digest('hex')
}

/** @param {(text: string) => void} say */
export async function ensureInstalled(say) {
  const wanted = lockHash()
  if (fs.existsSync(stampFile) && fs.readFileSync(stampFile, 'utf8') === wanted) return
  say('installing the libraries (npm ci), about a minute the first time')
  // npm's own variables would make the inner npm believe that it runs inside a script of this package.
  const env = Object.fromEntries(Object.entries(process.env).filter(([key]) => !/^npm_/i.test(key)))
  const result = await run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { env: { ...env, PATH: systemPath } })
  if (result.code !== 0)
    giveUp('Installing the libraries failed: npm says why above. Check the network connection, then run the same command again.')
  fs.writeFileSync(stampFile, wanted) // last: an interrupted install is done again
}
