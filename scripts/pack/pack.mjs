// Packs what this checkout built into dist/release: the agent's archive, the console's, and the signed list of both.
// Node 20 or newer; nothing is done when nothing changed.
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { makeSay } from '../lib/say.mjs'
import { agentEntries, consoleEntries, platform } from './contents.mjs'
import { openReleaseKey, releaseKeyFile } from './release-key.mjs'
import { contentHash, GZIP_LEVEL, writeTarGz } from './tar.mjs'

/** @typedef {import('./tar.mjs').Entry} Entry */

const say = makeSay('pack ')
const here = path.dirname(fileURLToPath(import.meta.url))

const { values } = parseArgs({ options: { root: { type: 'string' }, out: { type: 'string' }, level: { type: 'string' } } })
const root = path.resolve(values.root ?? path.join(here, '..', '..'))
const out = path.resolve(values.out ?? path.join(root, 'dist', 'release'))

try {
  await pack()
} catch (error) {
  console.error(`\nPacking failed: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exit(1)
}

async function pack() {
  fs.mkdirSync(out, { recursive: true })
  const key = openReleaseKey(releaseKeyFile(process.env))
  if (key.created) say(`made the release key ${releaseKeyFile(process.env)}: keep it, installed agents take no other`)
  const version = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8')).version
  const agent = agentEntries(root, key.publicKey)
  // The agent of this checkout, which npm start runs, pins the same key.
  fs.writeFileSync(path.join(root, 'apps/agent/dist/release.pub'), `${key.publicKey}\n`)
  const forConsole = consoleEntries(root)
  if (!forConsole) say('the console is not built: only the agent is packed')
  const stamp = inputStamp([...agent, ...(forConsole ?? [])])
  if (isCurrent(stamp)) {
    say('nothing changed since the last time')
    return
  }
  const archives = [await writeArchive('agent', version, agent)]
  if (forConsole) archives.push(await writeArchive('console', version, forConsole))
  const release = `${version}-${createHash('sha256')
    .update(archives.map((archive) => archive.sha256).join())
    .digest('hex')
    .slice(0, 12)}`
  const unsigned = { version: 1, release, archives, releaseKey: key.publicKey }
  replaceFile('release.json', `${JSON.stringify({ ...unsigned, signature: key.sign(unsigned) }, null, 2)}\n`)
  replaceFile('.stamp', stamp)
  removeOld(new Set(archives.map((archive) => archive.file)))
  say(`release ${release} is in ${out}`)
}

/** @param {'agent' | 'console'} name @param {string} version @param {Entry[]} content */
async function writeArchive(name, version, content) {
  const full = `${version}-${contentHash(content).slice(0, 12)}`
  // Known only now: the content's hash is part of it. The agent tells it as its own version.
  const about = { name: `@thatdam/${name}`, version: full, type: 'commonjs', private: true, license: 'MIT' }
  const entries = name === 'agent' ? [...content, { name: 'dist/package.json', text: `${JSON.stringify(about)}\n` }] : content
  const file = `thatdam-${name}-${full}-${platform}.tar.gz`
  say(`packing ${file} (${entries.length} files)`)
  const startedAt = performance.now()
  const written = await writeTarGz(path.join(out, file), entries, { level: Number(values.level ?? GZIP_LEVEL) })
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
  say(`${megabytes(written.contentBytes)} MB became ${megabytes(written.sizeBytes)} MB in ${seconds} s`)
  return { name, platform, file, sha256: written.sha256, sizeBytes: written.sizeBytes }
}

/** @param {number} bytes */
function megabytes(bytes) {
  return (bytes / 1e6).toFixed(1)
}

/** Built files by their bytes; installed ones by size and time, which npm keeps; this script by its own bytes. @param {Entry[]} entries */
function inputStamp(entries) {
  const hash = createHash('sha256').update(platform + (values.level ?? GZIP_LEVEL))
  const modules = `${path.sep}node_modules${path.sep}`
  for (const script of fs
    .readdirSync(here)
    .filter((name) => name.endsWith('.mjs'))
    .toSorted())
    hash.update(fs.readFileSync(path.join(here, script)))
  for (const entry of entries) {
    hash.update(`\0${entry.name}\0`)
    if (!('source' in entry)) hash.update('text' in entry ? entry.text : entry.link)
    else if (!entry.source.includes(modules)) hash.update(fs.readFileSync(entry.source))
    else {
      const { size, mtimeMs } = fs.statSync(entry.source)
      hash.update(`${size} ${mtimeMs}`)
    }
  }
  return hash.digest('hex')
}

/** @param {string} stamp */
function isCurrent(stamp) {
  try {
    if (fs.readFileSync(path.join(out, '.stamp'), 'utf8') !== stamp) return false
    const manifest = JSON.parse(fs.readFileSync(path.join(out, 'release.json'), 'utf8'))
    return manifest.archives.every((/** @type {any} */ archive) => fs.statSync(path.join(out, archive.file)).size === archive.sizeBytes)
  } catch {
    return false // a first time, or something was removed: packed anew
  }
}

/** @param {string} name @param {string} text */
function replaceFile(name, text) {
  const draft = path.join(out, `.${name}.${process.pid}.tmp`)
  fs.writeFileSync(draft, text)
  fs.renameSync(draft, path.join(out, name))
}

/** Archives of earlier builds for this platform, and drafts of packs that were killed. @param {ReadonlySet<string>} current */
function removeOld(current) {
  for (const name of fs.readdirSync(out)) {
    const draftOf = /\.(\d+)\.tmp$/.exec(name)?.[1]
    const old = draftOf
      ? !isAlive(Number(draftOf))
      : name.startsWith('thatdam-') && name.endsWith(`-${platform}.tar.gz`) && !current.has(name)
    if (old) fs.rmSync(path.join(out, name), { force: true })
  }
}

/** @param {number} pid */
function isAlive(pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return /** @type {NodeJS.ErrnoException} */ (error).code === 'EPERM'
  }
}
