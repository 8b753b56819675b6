import { mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import * as z from 'zod/mini'
import { ThatdamError } from '@thatdam/protocol/errors'
import { readJson, renamePatiently, writeFileDurable, type RenameHost } from './durable.ts'

let folder = ''
beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'thatdam-durable-'))))
afterEach(() => rm(folder, { recursive: true }))

const Shape = z.object({ name: z.string() })

test('a file is replaced whole, private unless asked otherwise, and leaves nothing beside it', async () => {
  const path = join(folder, 'a.json')
  await writeFileDurable(path, '{"name":"one"}')
  await writeFileDurable(path, '{"name":"two"}')
  expect(await readJson(path, Shape)).toEqual({ name: 'two' })
  if (process.platform !== 'win32') expect((await stat(path)).mode & 0o777).toBe(0o600)
  await writeFileDurable(join(folder, 'b.json'), '{}', { mode: 0o644 })
  if (process.platform !== 'win32') expect((await stat(join(folder, 'b.json'))).mode & 0o777).toBe(0o644)
  expect((await readdir(folder)).toSorted()).toEqual(['a.json', 'b.json'])
})

test('a failed replacement keeps the old file and removes its temporary file', async () => {
  await expect(writeFileDurable(folder, 'x')).rejects.toThrow(/EISDIR|ENOTEMPTY|EPERM|EEXIST/)
  expect(await readdir(join(folder, '..')).then((names) => names.filter((name) => name.startsWith('.thatdam-durable-')))).toEqual([])
})

test('a missing file is null; a damaged one is an error that names it and stays as it was', async () => {
  const path = join(folder, 'state.json')
  expect(await readJson(path, Shape)).toBeNull()
  for (const bad of ['{"name":', '{"name":7}', '']) {
    await writeFile(path, bad)
    const error = await readJson(path, Shape).then(
      () => null,
      (thrown: unknown) => thrown,
    )
    expect(error).toBeInstanceOf(ThatdamError)
    expect((error as ThatdamError).message).toContain(path)
    expect((error as ThatdamError).message).toMatch(/damaged .* backup/)
    expect(await readFile(path, 'utf8')).toBe(bad)
  }
})

/** A rename that fails with these codes one after the other, then works. */
function failing(platform: NodeJS.Platform, codes: readonly string[]): RenameHost & { tries: number; pausedMs: number } {
  return {
    platform,
    tries: 0,
    pausedMs: 0,
    async rename() {
      const code = codes[this.tries++]
      if (code !== undefined) throw Object.assign(new Error(code), { code })
    },
    async pause(ms) {
      this.pausedMs += ms
    },
  }
}

test('on Windows a target that somebody has open is waited for, for about five seconds', async () => {
  const held = failing('win32', ['EPERM', 'EACCES', 'EBUSY'])
  await renamePatiently('a', 'b', held)
  expect([held.tries, held.pausedMs]).toEqual([4, 70])
  const forGood = failing(
    'win32',
    Array.from({ length: 100 }, () => 'EPERM'),
  )
  await expect(renamePatiently('a', 'b', forGood)).rejects.toThrow('EPERM')
  expect(forGood.tries).toBe(10)
  expect(forGood.pausedMs).toBeGreaterThan(4_500)
  expect(forGood.pausedMs).toBeLessThan(5_500)
  const away = failing('win32', ['ENOENT'])
  await expect(renamePatiently('a', 'b', away)).rejects.toThrow('ENOENT')
  expect([away.tries, away.pausedMs]).toEqual([1, 0])
})

test('elsewhere a refusal is final at once', async () => {
  const refused = failing('linux', ['EACCES'])
  await expect(renamePatiently('a', 'b', refused)).rejects.toThrow('EACCES')
  expect([refused.tries, refused.pausedMs]).toEqual([1, 0])
})
