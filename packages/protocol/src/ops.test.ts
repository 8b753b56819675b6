import { expect, test } from 'vitest'
import { isUnread, type AssetKind, type MediaInfo } from './ops.ts'

const unread = (assetKind: AssetKind, media: Partial<MediaInfo>): boolean =>
  isUnread({ assetKind, media: { mimeType: '', width: null, container: null, ...media } as MediaInfo })

test('unread is what nobody with the right program has looked into', () => {
  expect(unread('video', { width: 1920 })).toBe(true)
  expect(unread('audio', {})).toBe(true)
  expect(unread('video', { container: 'mov,mp4' })).toBe(false)
  expect(unread('photo', { mimeType: 'image/heic' })).toBe(true)
  expect(unread('photo', { width: 4000 })).toBe(false)
  expect(unread('photo', { mimeType: 'image/svg+xml' })).toBe(false)
  expect(unread('other', {})).toBe(false)
})
