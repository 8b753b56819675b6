#!/usr/bin/env node
// Bundles the agent as CommonJS: in ESM, the facades of Node's own modules alone cost 15 MB of memory.
//   dist/thatdam.cjs, dist/services/<name>.cjs, dist/package.json
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const source = join(root, 'src')
const dist = join(root, 'dist')
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

// release.pub, which packing puts there, stays.
for (const name of ['services', 'thatdam.cjs', 'package.json']) rmSync(join(dist, name), { recursive: true, force: true })
mkdirSync(join(dist, 'services'), { recursive: true })

const services = readdirSync(join(source, 'services'), { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && existsSync(join(source, 'services', entry.name, 'process.ts')))
  .map((entry) => entry.name)

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
  banner: { js: 'const __bundleUrl=require("node:url").pathToFileURL(__filename).href;' },
}

await Promise.all([
  build({ ...common, entryPoints: [join(source, 'main.ts')], outfile: join(dist, 'thatdam.cjs') }),
  ...services.map((name) =>
    build({ ...common, entryPoints: [join(source, 'services', name, 'process.ts')], outfile: join(dist, 'services', `${name}.cjs`) }),
  ),
])
writeFileSync(join(dist, 'package.json'), `${JSON.stringify({ name: 'thatdam-agent', version, type: 'commonjs', private: true })}\n`)
console.log(`agent ${version}: dist/thatdam.cjs and ${services.length} services (${services.join(', ')})`)
