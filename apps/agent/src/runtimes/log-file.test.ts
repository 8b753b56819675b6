import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { LogFile } from './log-file.ts'

test('a log keeps the newest lines within three files of the given size, also across openings', () => {
  const directory = mkdtempSync(join(tmpdir(), 'thatdam-log-'))
  const path = join(directory, 'logs', 'x.log')
  for (let round = 0; round < 2; round++) {
    const log = new LogFile(path, 100)
    for (let line = 0; line < 50; line++) log.write(`${round} line ${String(line).padStart(3, '0')}\n`)
    log.close()
  }
  const names = readdirSync(join(directory, 'logs')).toSorted((a, b) => a.localeCompare(b))
  expect(names).toEqual(['x.log', 'x.log.1', 'x.log.2'])
  const texts = names.map((name) => readFileSync(join(directory, 'logs', name), 'utf8'))
  for (const text of texts) expect(text.length).toBeLessThanOrEqual(100)
  expect(texts[0]?.endsWith('1 line 049\n')).toBe(true)
  expect(texts.toReversed().join('')).toContain('1 line 035\n1 line 036\n')
  rmSync(directory, { recursive: true, force: true })
})
