// The packages that a program needs beside its bundle, found as Node finds them.
import fs from 'node:fs'
import path from 'node:path'

/** @typedef {{ name: string, folder: string, manifest: any }} Package */

/**
 * `names` and all they depend on, as installed for this platform, each version once. Types are left out. Optional dependencies that are not
 * installed are for other platforms; a missing plain one stops.
 * @param {string} from folder whose node_modules are looked in first @param {readonly string[]} names
 * @returns {Package[]}
 */
export function closure(from, names) {
  /** @type {Map<string, Package>} */
  const found = new Map()
  /** @type {{ from: string, name: string, optional: boolean }[]} */
  const queue = names.map((name) => ({ from, name, optional: false }))
  for (let next = queue.shift(); next; next = queue.shift()) {
    if (next.name.startsWith('@types/')) continue
    const folder = resolvePackage(next.from, next.name)
    if (!folder) {
      if (next.optional) continue
      throw new Error(`The package ${next.name} is not installed: run npm ci, then pack again.`)
    }
    const manifest = JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8'))
    if (!fitsHere(manifest)) continue
    if (found.has(folder)) continue
    found.set(folder, { name: next.name, folder, manifest })
    for (const name of Object.keys(manifest.dependencies ?? {}))
      queue.push({ from: folder, name, optional: name in (manifest.optionalDependencies ?? {}) })
    for (const name of Object.keys(manifest.optionalDependencies ?? {})) queue.push({ from: folder, name, optional: true })
  }
  return [...found.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

/** Packed side by side there is room for one version of each. @param {readonly Package[]} packages */
export function refuseTwoVersions(packages) {
  for (const [at, { name, manifest }] of packages.entries())
    if (packages[at + 1]?.name === name)
      throw new Error(
        `Two versions of ${name} would be packed (${manifest.version} and ${packages[at + 1]?.manifest.version}): align them first.`,
      )
}

/** @param {string} from @param {string} name @returns {string | null} real path of the package's folder */
function resolvePackage(from, name) {
  for (let at = from; ; at = path.dirname(at)) {
    const folder = path.join(at, 'node_modules', name)
    if (fs.existsSync(path.join(folder, 'package.json'))) return fs.realpathSync(folder)
    if (path.dirname(at) === at) return null
  }
}

/** @param {string[] | undefined} list @param {string} own */
const allows = (list, own) => !list || list.includes(own)

/** @param {any} manifest */
function fitsHere({ os, cpu, libc }) {
  return allows(os, process.platform) && allows(cpu, process.arch) && (process.platform !== 'linux' || allows(libc, 'glibc'))
}

/**
 * The licences of all packages, one text. A package without a licence file is named with its licence's identifier.
 * @param {string} title @param {readonly { name: string, folder: string, manifest: any }[]} packages
 */
export function licences(title, packages) {
  const parts = packages
    .filter(({ name }) => !name.startsWith('@thatdam/'))
    .map(({ name, folder, manifest }) => {
      const files = fs
        .readdirSync(folder)
        .filter((file) => /^(licen[cs]e|copying|notice)/i.test(file))
        .toSorted()
      const texts = files
        .filter((file) => fs.statSync(path.join(folder, file)).isFile())
        .map((file) => fs.readFileSync(path.join(folder, file), 'utf8').trim())
      return `${name} ${manifest.version} (${typeof manifest.license === 'string' ? manifest.license : 'see below'})\n\n${texts.join('\n\n') || 'The package ships no licence text.'}\n`
    })
  return `${title}\n\n${parts.join(`\n${'-'.repeat(78)}\n\n`)}`
}
