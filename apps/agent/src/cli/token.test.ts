import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { CliContext } from './context.ts'
import { run } from './token.ts'

test('an id that begins with a dash is an id', async () => {
  const stateDir = mkdtempSync(join(tmpdir(), 'thatdam-token-'))
  const context = { env: { stateDir }, out: () => {} } as unknown as CliContext
  for (const argv of [['--revoke', '-abc'], ['--revoke=-abc']]) await expect(run(argv, context)).rejects.toThrow('No agent runs')
  rmSync(stateDir, { recursive: true })
})
