import { expect, test } from 'vitest'
import { sourceKey } from './exiftool.ts'

test('a file that was asked for with backslashes is found under the name that exiftool gives it on Windows', () => {
  const asked = 'C:\\Users\\me\\Pictures/2024/a b.jpg'
  expect(sourceKey(asked, 'win32')).toBe(sourceKey('C:/Users/me/Pictures/2024/a b.jpg', 'win32'))
  expect(sourceKey('\\\\nas\\media\\a.jpg', 'win32')).toBe('//nas/media/a.jpg')
  expect(sourceKey('/media/a\\b.jpg', 'linux')).not.toBe(sourceKey('/media/a/b.jpg', 'linux'))
})
