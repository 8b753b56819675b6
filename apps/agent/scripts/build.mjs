#!/usr/bin/env node
// Bundles the agent as CommonJS: in ESM, the facades of Node's own modules alone cost 15 MB of memory.
//   dist/thatdam.cjs, dist/doctor.cjs, dist/services/<name>.cjs, dist/runtimes/docker/<file>.cjs, dist/package.json
// --mutant NAME --out DIR: for npm run faults alone, an agent with the planted fault of faults/mutants/NAME.ts in it.
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { build } from 'esbuild'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const source = join(root, 'src')
const { values } = parseArgs({ options: { mutant: { type: 'string' }, out: { type: 'string' } } })
if ((values.mutant === undefined) !== (values.out === undefined))
  throw new Error('--mutant and --out go together: a planted fault never lies in dist')
const dist = values.out === undefined ? join(root, 'dist') : resolve(values.out)
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

// release.pub, which packing puts there, stays.
const made = ['services', 'runtimes', 'thatdam.cjs', 'doctor.cjs', 'package.json']
for (const name of made) rmSync(join(dist, name), { recursive: true, force: true })
mkdirSync(join(dist, 'services'), { recursive: true })

const services = readdirSync(join(source, 'services'), { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && existsSync(join(source, 'services', entry.name, 'process.ts')))
  .map((entry) => entry.name)

// Of its twenty stores one is used: the running agent would carry the text of all.
const oneLimiter = {
  name: 'one-limiter',
  setup: ({ onResolve }) => onResolve({ filter: /^rate-limiter-flexible$/ }, () => ({ path: join(root, 'scripts', 'rate-limiter.cjs') })),
}

const common = {
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'node26',
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: 'none',
  sourcemap: false,
  logLevel: 'warning',
  // With native parts: they lie beside the bundle in node_modules.
  external: ['sharp', 'node-datachannel', 'exiftool-vendored'],
  define: { 'import.meta.filename': '__filename', 'import.meta.dirname': '__dirname', 'import.meta.url': '__bundleUrl' },
  plugins: [oneLimiter, ...(values.mutant === undefined ? [] : [await plant(values.mutant)])],
  banner: { js: 'const __bundleUrl=require("node:url").pathToFileURL(__filename).href;' },
}

/** Of dockerode, what we never call: building images (gRPC) and engines over SSH. 200 KB instead of 3 MB. */
const withoutUnused = {
  name: 'without what is never called',
  setup(bundler) {
    bundler.onResolve({ filter: /^(@grpc\/grpc-js|@grpc\/proto-loader|ssh2)$/ }, ({ path }) => ({ path, namespace: 'unused' }))
    bundler.onLoad({ filter: /.*/, namespace: 'unused' }, () => ({ contents: 'module.exports = {}' }))
  },
}

// A file of its own: the running agent would carry its text for good.
const doctorApart = {
  name: 'doctor-apart',
  setup: ({ onResolve }) => onResolve({ filter: /^\.\/cli\/doctor\.ts$/ }, () => ({ path: './doctor.cjs', external: true })),
}

await Promise.all([
  build({
    ...common,
    entryPoints: [join(source, 'main.ts')],
    outfile: join(dist, 'thatdam.cjs'),
    plugins: [...common.plugins, doctorApart],
  }),
  build({ ...common, entryPoints: [join(source, 'cli', 'doctor.ts')], outfile: join(dist, 'doctor.cjs') }),
  ...services.map((name) =>
    build({ ...common, entryPoints: [join(source, 'services', name, 'process.ts')], outfile: join(dist, 'services', `${name}.cjs`) }),
  ),
  ...['engine', 'stdio-channel'].map((name) =>
    build({
      ...common,
      plugins: [withoutUnused, ...common.plugins],
      entryPoints: [join(source, 'runtimes', 'docker', `${name}.ts`)],
      outfile: join(dist, 'runtimes', 'docker', `${name}.cjs`),
    }),
  ),
])

// One letter beyond Latin-1 makes V8 keep the whole text in two bytes a character: almost a megabyte of the idle agent.
const beyond = Array.from(readFileSync(join(dist, 'thatdam.cjs'), 'utf8')).find((letter) => letter > '\u00ff')
if (beyond) throw new Error(`The bundle holds "${beyond}": write it as an escape (in a regular expression esbuild leaves it as it is).`)
writeFileSync(join(dist, 'package.json'), `${JSON.stringify({ name: 'thatdam-agent', version, type: 'commonjs', private: true })}\n`)
const releaseKey = join(root, 'dist', 'release.pub')
if (values.out !== undefined && existsSync(releaseKey)) copyFileSync(releaseKey, join(dist, 'release.pub'))
console.log(
  `agent ${version}${values.mutant === undefined ? '' : ` with ${values.mutant}`}: dist/thatdam.cjs and ${services.length} services (${services.join(', ')})`,
)

/**
 * Replaces text of the sources while they are bundled. A place that moved or changed stops the build: a fault that is not planted would pass
 * for one that nobody notices.
 * @param {string} name @returns {Promise<import('esbuild').Plugin>}
 */
async function plant(name) {
  const repository = dirname(dirname(root))
  const { mutant } = await import(pathToFileURL(join(repository, 'faults', 'mutants', `${name}.ts`)).href)
  /** @type {Map<string, string>} */
  const changed = new Map()
  for (const { file, find, replace } of mutant.patches) {
    const path = join(repository, file)
    const text = changed.get(path) ?? readFileSync(path, 'utf8')
    const places = text.split(find).length - 1
    if (places !== 1) throw new Error(`the place of ${name} stands ${places} times in ${file}, not once: ${find}`)
    changed.set(
      path,
      text.replace(find, () => replace),
    )
  }
  return {
    name: 'planted fault',
    setup(bundling) {
      bundling.onLoad({ filter: /\.ts$/ }, ({ path }) => {
        const contents = changed.get(path)
        return contents === undefined ? undefined : { contents, loader: 'ts' }
      })
    },
  }
}
