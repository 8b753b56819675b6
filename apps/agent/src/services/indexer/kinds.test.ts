import { expect, test } from 'vitest'
import { isIgnoredFile, isIgnoredFolder } from './ignore.ts'
import { decideType, typeByName } from './kinds.ts'

const bytes = (text: string): Buffer => Buffer.concat([Buffer.from(text, 'latin1'), Buffer.alloc(64)])
const name = (text: string): Buffer => Buffer.from(text)

test('names tell the kind, whatever their case and bytes', () => {
  expect(typeByName(name('IMG.CR2'))).toEqual({ kind: 'photo', mimeType: 'image/x-canon-cr2' })
  expect(typeByName(Buffer.from('62c3282e4d5034', 'hex'))).toEqual({ kind: 'video', mimeType: 'video/mp4' })
  for (const other of ['notes.txt', 'jpg', '.jpg', 'a.constructor', 'a.jpg.txt', 'a.'])
    expect([other, typeByName(name(other))]).toEqual([other, null])
})

test('content wins over the name where it is certain, and RAW stays RAW', () => {
  const table: [string, string, string | null, boolean][] = [
    ['a.jpg', '\xff\xd8\xff\xe0', 'image/jpeg', false],
    ['a.jpg', '\x89PNG\r\n\x1a\n', 'image/png', false],
    ['a.jpg', 'hello', 'image/jpeg', true],
    ['a.jpg', '\0\0\0\x18ftypheic', 'image/heic', false],
    ['a.nef', 'MM\0*', 'image/x-nikon-nef', false],
    ['a.mov', '\0\0\0\x18ftypmp42', 'video/quicktime', false],
    ['a.m4a', '\0\0\0\x18ftypisom', 'audio/mp4', false],
    ['noext', 'RIFF\0\0\0\0AVI ', 'video/x-msvideo', false],
    ['noext', 'plain text', null, false],
    ['a.webm', '\x1a\x45\xdf\xa3\x93\x42\x82\x88webm', 'video/webm', false],
  ]
  for (const [file, head, mimeType, problem] of table) {
    const decided = decideType(name(file), bytes(head))
    expect([file, head, decided.type?.mimeType ?? null, decided.problem !== null]).toEqual([file, head, mimeType, problem])
  }
})

test('folders of systems, programs, trash and previews are left out; a photo library gives its originals', () => {
  for (const folder of ['.git', '$RECYCLE.BIN', '@eaDir', 'Thing.app', 'System Volume Information', 'x.lrdata'])
    expect(isIgnoredFolder(folder, 'Pictures')).toBe(true)
  for (const folder of ['Holiday', 'app', 'My.Photos', 'Fotos.photoslibrary']) expect(isIgnoredFolder(folder, 'Pictures')).toBe(false)
  expect(['originals', 'Masters', 'resources', 'database'].map((folder) => isIgnoredFolder(folder, 'Fotos.photoslibrary'))).toEqual([
    false,
    false,
    true,
    true,
  ])
  for (const file of ['._a.jpg', '.DS_Store', 'Thumbs.db', 'film.mp4.part']) expect(isIgnoredFile(file)).toBe(true)
})
