import { existsSync, globSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { ERRORS } from '@thatdam/protocol/errors'

const documents = globSync(['*.md', 'docs/**/*.md', 'bench/**/*.md', 'infra/**/*.md'])

const read = (files: readonly string[]): string => files.map((file) => readFileSync(file, 'utf8')).join('\n')

test('links of the documentation resolve', () => {
  const bad: string[] = []
  for (const file of documents)
    for (const [, target = ''] of readFileSync(file, 'utf8').matchAll(/\]\((?!https?:|mailto:|#)([^)#\s]+)/g))
      if (!existsSync(path.join(path.dirname(file), target))) bad.push(`${file}: ${target}`)
  expect(documents.length).toBeGreaterThan(2)
  expect(bad).toEqual([])
})

test('files that the documentation names in backticks exist', () => {
  const bad: string[] = []
  for (const file of documents)
    for (const [, named = ''] of readFileSync(file, 'utf8').matchAll(
      /`((?:apps|packages|scripts|infra|bench|e2e|prisma|faults|demo|docs)\/[\w./-]+)`/g,
    ))
      if (!existsSync(named.replace(/\/$/, ''))) bad.push(`${file}: ${named}`)
  expect(bad).toEqual([])
})

test('a threat that the code names is a row of the list', () => {
  const rows = new Set([...readFileSync('docs/threats.md', 'utf8').matchAll(/^\| (\d+) +\|/gm)].map(([, row]) => row ?? ''))
  const sources = globSync('{apps,packages}/*/{src,e2e}/**/*.{ts,tsx}')
  const named = [...read(sources).matchAll(/\bTHREATS (\d+(?:, \d+)*)/g)].flatMap(([, list]) => (list ?? '').split(', '))
  expect(named.length).toBeGreaterThan(40)
  expect(named.filter((row) => !rows.has(row))).toEqual([])
})

test('every variable that is read is documented, and the other way round', () => {
  const page = readFileSync('docs/environment.md', 'utf8')
  const documented = new Set([...page.matchAll(/^\| `([A-Z][A-Z0-9_]+)`\s+\|/gm)].map(([, name]) => name ?? ''))
  const known = new Set([...read(globSync('apps/*/src/env.ts')).matchAll(/^\s{2}([A-Z][A-Z0-9_]{3,}):/gm)].map(([, name]) => name ?? ''))
  const scripts = read(globSync('scripts/**/*.mjs'))
  const unread = [...documented].filter((name) => !known.has(name) && !scripts.includes(name))
  expect(known.size).toBeGreaterThan(20)
  expect({ unread, undocumented: [...known].filter((name) => !documented.has(name)) }).toEqual({ unread: [], undocumented: [] })
})

test('every error code has an HTTP status that exists and says when it is thrown', () => {
  for (const [code, { status, when }] of Object.entries(ERRORS)) {
    expect(status, code).toBeGreaterThanOrEqual(400)
    expect(status, code).toBeLessThan(600)
    expect(when.length, code).toBeGreaterThan(10)
  }
})
