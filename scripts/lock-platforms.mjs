// npm writes a lock file that `npm ci` refuses when the registry lacked a platform's binary package. This adds an entry for every
// optional dependency of a locked package that has none, with os and cpu read off its name. Run it after each change of dependencies.
import fs from 'node:fs'
import { inRoot } from './lib/paths.mjs'

const OS = {
  android: 'android',
  darwin: 'darwin',
  freebsd: 'freebsd',
  linux: 'linux',
  win32: 'win32',
  windows: 'win32',
  openharmony: 'openharmony',
  netbsd: 'netbsd',
  openbsd: 'openbsd',
  sunos: 'sunos',
  aix: 'aix',
}
const CPU = {
  arm64: 'arm64',
  x64: 'x64',
  64: 'x64',
  ia32: 'ia32',
  arm: 'arm',
  ppc64: 'ppc64',
  riscv64: 'riscv64',
  s390x: 's390x',
  loong64: 'loong64',
  wasm32: 'wasm32',
}

const file = inRoot('package-lock.json')
const lock = JSON.parse(fs.readFileSync(file, 'utf8'))
const packages = lock.packages
let added = 0
for (const locked of Object.values(packages)) {
  for (const [name, range] of Object.entries(locked.optionalDependencies ?? {})) {
    const key = `node_modules/${name}`
    if (Object.keys(packages).some((known) => known === key || known.endsWith(`/${key}`))) continue
    const parts = name.split(/[-/]/)
    const os = parts.map((part) => OS[part]).find(Boolean)
    const cpu = parts
      .map((part) => CPU[part])
      .filter(Boolean)
      .at(-1)
    if (!os || !/^[\^~]?\d/.test(range)) {
      console.log(`skipped ${name} ${range}`)
      continue
    }
    packages[key] = {
      version: range.replace(/^[\^~]/, ''),
      cpu: [cpu ?? 'none'],
      ...(locked.dev && { dev: true }),
      ...(locked.license && { license: locked.license }),
      optional: true,
      os: [os],
      ...(parts.includes('musl') && { libc: ['musl'] }),
    }
    added++
  }
}
lock.packages = Object.fromEntries(Object.entries(packages).toSorted(([a], [b]) => (a < b ? -1 : 1)))
fs.writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`)
console.log(`package-lock.json: added ${added} platform packages`)
