import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readRejected, writeRejected } from './rejected-plan.ts'

test('the rejected plan is known after a restart, to this version of the agent only', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'thatdam-rejected-'))
  try {
    const path = join(directory, 'plan-rejected.json')
    const plan = { bodyHash: 'ab'.repeat(32), reason: 'The new plan was not kept.' }
    expect(await readRejected(path, '1.0.0')).toBeNull()
    await writeRejected(path, '1.0.0', plan)
    expect(await readRejected(path, '1.0.0')).toEqual(plan)
    expect(await readRejected(path, '1.0.1')).toBeNull()
    await writeRejected(path, '1.0.0', null)
    expect(existsSync(path)).toBe(false)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
})
