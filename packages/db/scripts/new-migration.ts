/**
 * npm run migration -- NAME: writes prisma/migrations/<time>_<name>/migration.sql with what brings the migrations up to prisma/schema.
 * Works without network: Prisma's schema engine as WebAssembly, and in-memory PGlite databases as its shadow.
 */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { createRequire } from 'node:module'
import { PGlite } from '@electric-sql/pglite'
import { bindMigrationAwareSqlAdapterFactory, type SqlMigrationAwareDriverAdapterFactory } from '@prisma/driver-adapter-utils'
import type { SchemaEngine } from '@prisma/schema-engine-wasm'
import { PrismaPGlite } from 'pglite-prisma-adapter'

const root = path.resolve(import.meta.dirname, '../../..')
const migrationsDir = path.join(root, 'prisma/migrations')
const schemaDir = path.join(root, 'prisma/schema')

const SET_WASM = '__wbg_set_wasm'

/** What the WebAssembly module exports beside its wasm-bindgen glue. */
interface EngineModule {
  SchemaEngine: typeof SchemaEngine
  [SET_WASM](exports: WebAssembly.Exports): void
}

async function loadEngine(): Promise<EngineModule['SchemaEngine']> {
  const glueName = '@prisma/schema-engine-wasm/schema_engine_bg'
  const glue = (await import(glueName)) as EngineModule & WebAssembly.ModuleImports
  const wasmPath = path.join(path.dirname(createRequire(import.meta.url).resolve('@prisma/schema-engine-wasm')), 'schema_engine_bg.wasm')
  const { instance } = await WebAssembly.instantiate(await readFile(wasmPath), { './schema_engine_bg.js': glue })
  glue[SET_WASM](instance.exports)
  const start = instance.exports['__wbindgen_start']
  if (typeof start === 'function') start()
  // The engine's panic hook looks for this by name.
  Object.assign(globalThis, { PRISMA_WASM_PANIC_REGISTRY: { set_message: (message: string) => console.error(message), get: () => '' } })
  return glue.SchemaEngine
}

/** The adapter does not await scripts, so ours runs them itself. */
async function connect(database: PGlite) {
  const adapter = await new PrismaPGlite(database).connect()
  adapter.executeScript = async (sql: string) => void (await database.exec(sql))
  return adapter
}

/** Throw-away databases. */
async function memoryFactory(): Promise<SqlMigrationAwareDriverAdapterFactory> {
  const db = await PGlite.create()
  return {
    provider: 'postgres',
    adapterName: 'pglite',
    connect: () => connect(db),
    connectToShadowDb: async () => connect(await PGlite.create()),
  }
}

async function readMigrations() {
  const names = (await readdir(migrationsDir, { withFileTypes: true })).filter((entry) => entry.isDirectory()).map((entry) => entry.name)
  const read = async (name: string) => ({
    path: name,
    migrationFile: {
      path: 'migration.sql',
      content: { tag: 'ok' as const, value: await readFile(path.join(migrationsDir, name, 'migration.sql'), 'utf8') },
    },
  })
  return {
    baseDir: migrationsDir,
    lockfile: { path: 'migration_lock.toml', content: await readFile(path.join(migrationsDir, 'migration_lock.toml'), 'utf8') },
    shadowDbInitScript: '',
    migrationDirectories: await Promise.all(names.toSorted().map(read)),
  }
}

async function main(): Promise<void> {
  const name = process.argv[2] ?? ''
  if (!/^[a-z0-9]+([-_][a-z0-9]+)*$/.test(name)) {
    console.error('Give the migration a name of a–z, 0–9 and -, for instance: npm run migration -- add-albums')
    process.exit(1)
  }
  const schemaNames = (await readdir(schemaDir)).filter((file) => file.endsWith('.prisma')).toSorted()
  const files = await Promise.all(
    schemaNames.map(async (file) => ({ path: path.join(schemaDir, file), content: await readFile(path.join(schemaDir, file), 'utf8') })),
  )
  const Engine = await loadEngine()
  const factory = bindMigrationAwareSqlAdapterFactory(await memoryFactory())
  const engine = await Engine.new({ datamodels: files.map((file) => [file.path, file.content]) }, () => undefined, factory)
  const answer = await engine.diff({
    from: { tag: 'migrations', ...(await readMigrations()) },
    to: { tag: 'schemaDatamodel', files },
    script: true,
    exitCode: true,
    filters: { externalTables: [], externalEnums: [] },
  })
  if (answer.exitCode === 0) {
    console.log('The migrations already make what prisma/schema says: nothing to write.')
    process.exit(0)
  }
  const id = `${new Date().toISOString().replace(/\D/g, '').slice(0, 14)}_${name.replaceAll('-', '_')}`
  await mkdir(path.join(migrationsDir, id))
  await writeFile(path.join(migrationsDir, id, 'migration.sql'), answer.stdout ?? '')
  console.log(`Wrote prisma/migrations/${id}/migration.sql`)
  process.exit(0)
}

await main()
