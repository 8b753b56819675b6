import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs'
import { realpath } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { realPath } from './real-path.ts'

const followed = (path: string): string => `${path}\\followed`
const silent = (): never => {
  throw Object.assign(new Error('no name for this volume'), { code: 'EINVAL' })
}

test('the system’s spelling counts; where the system has none, links are followed by hand', () => {
  expect(realPath('Z:\\media', Object.assign(followed, { native: () => '\\\\nas\\Media' }))).toBe('\\\\nas\\Media')
  expect(realPath('R:\\media', Object.assign(followed, { native: silent }))).toBe('R:\\media\\followed')
  expect(() => realPath('/no/such/folder')).toThrow(expect.objectContaining({ code: 'ENOENT' }))
})

test('it is what fs.promises.realpath says, through a link too', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'thatdam-real-'))
  try {
    mkdirSync(join(folder, 'a'))
    symlinkSync(join(folder, 'a'), join(folder, 'link'), 'junction')
    expect(realPath(join(folder, 'link'))).toBe(await realpath(join(folder, 'link')))
    expect(realPath(join(folder, 'link'))).toBe(join(realpathSync.native(folder), 'a'))
  } finally {
    rmSync(folder, { recursive: true })
  }
})
