// Which files of a folder or of a package go into an archive.
import fs from 'node:fs'
import path from 'node:path'

/** @typedef {import('./tar.mjs').Entry} Entry */

/**
 * All files below `folder` as entries below `prefix`. Links are kept when they stay inside, else packing stops: an archive must not point out of itself.
 * @param {string} folder @param {string} prefix @param {(relative: string) => boolean} [keep]
 * @returns {Entry[]}
 */
export function filesBelow(folder, prefix, keep = () => true) {
  /** @type {Entry[]} */
  const entries = []
  const walk = (/** @type {string} */ below) => {
    for (const item of fs.readdirSync(path.join(folder, below), { withFileTypes: true })) {
      const relative = below ? `${below}/${item.name}` : item.name
      const file = path.join(folder, relative)
      if (item.isDirectory()) walk(relative)
      else if (keep(relative))
        entries.push(item.isSymbolicLink() ? linkEntry(folder, relative, prefix) : fileEntry(file, prefix + relative))
    }
  }
  walk('')
  return entries
}

/** @param {string} file @param {string} name @returns {Entry} */
export function fileEntry(file, name) {
  return { name, source: file, mode: fs.statSync(file).mode & 0o111 ? 0o755 : 0o644 }
}

/** @param {string} folder @param {string} relative @param {string} prefix @returns {Entry} */
function linkEntry(folder, relative, prefix) {
  const link = fs.readlinkSync(path.join(folder, relative))
  const target = path.posix.normalize(path.posix.join(path.posix.dirname(relative), link))
  if (path.isAbsolute(link) || target.startsWith('..'))
    throw new Error(`${path.join(folder, relative)} is a link out of its folder (${link}).`)
  return { name: prefix + relative, link }
}

/** Names no running program reads: types, maps, prose, sources of addons. */
const IDLE_FILE =
  /(\.d\.[cm]?ts|\.[cm]?ts|\.map|\.md|\.markdown|\.pod|\.flow|\.gyp|\.spec|\.cc|\.h|\.hpp|\.cpp|\.c)$|^(CMakeLists\.txt|\.npmignore|\.eslintrc.*|jest\.config\..*|rollup\.config\..*|tsconfig.*)$/i
/** Parts of packages that our CommonJS program on this system never opens. */
const IDLE_PARTS = [
  /^luxon\/(src|build\/(amd|cjs-browser|es6|global))\//,
  /^node-datachannel\/(src|dist\/(esm|types))\//,
  /^sharp\/(src|install)\//,
  /^sharp\/dist\/.*\.mjs$/,
  /^exiftool-vendored\.pl\/bin\/(Changes|MANIFEST|META\..*|Makefile\.PL|build_geolocation|perl-Image.*)$/,
  /^exiftool-vendored\.pl\/bin\/(config_files|fmt_files)\//,
  /^@photostructure\/tz-lookup\/(test|scripts)\//,
]

/** @param {string} packageName @returns {(relative: string) => boolean} */
export function neededAtRunTime(packageName) {
  return (relative) =>
    !relative.startsWith('node_modules/') &&
    !relative.split('/').includes('.bin') &&
    !IDLE_FILE.test(path.basename(relative)) &&
    !IDLE_PARTS.some((part) => part.test(`${packageName}/${relative}`))
}
