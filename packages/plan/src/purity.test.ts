import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

/** The decision code runs the same in the agent, the cloud, a browser page and the simulator: what it may not touch. */
const IMPURE = [
  /from 'node:/,
  /\bDate\.now\b/,
  /\bnew Date\b/,
  /\bMath\.random\b/,
  /\bperformance\./,
  /\bcrypto\./,
  /\bset(Timeout|Interval|Immediate)\b/,
  /\bprocess\./,
]
const files = globSync('**/*.ts', { cwd: import.meta.dirname }).filter((file) => file !== 'cli.ts' && !file.endsWith('.test.ts'))

test('nothing but the command line reads a file, a clock or a random number', () => {
  expect(files.length).toBeGreaterThan(10)
  const found = files.flatMap((file) => {
    const source = readFileSync(join(import.meta.dirname, file), 'utf8')
    return IMPURE.filter((pattern) => pattern.test(source)).map((pattern) => `${file}: ${pattern.source}`)
  })
  expect(found).toEqual([])
})
