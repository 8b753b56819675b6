import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { FRAGMENT_MOVFLAGS } from '../ffmpeg/argv.ts'
import { chooseEncoder, encoderArgs } from '../ffmpeg/encoders.ts'
import { holdsParameterSets } from './parameter-sets.ts'

const box = (type: string, ...bodies: Buffer[]): Buffer => {
  const header = Buffer.alloc(8)
  header.writeUInt32BE(8 + bodies.reduce((sum, body) => sum + body.length, 0))
  header.write(type, 4, 'latin1')
  return Buffer.concat([header, ...bodies])
}
const movie = (entry: Buffer): Buffer =>
  Buffer.concat([
    box('ftyp', Buffer.from('iso5')),
    box('moov', box('trak', box('mdia', box('minf', box('stbl', box('stsd', Buffer.alloc(8), entry)))))),
  ])
const avc = (...bytes: number[]): Buffer => movie(box('avc1', Buffer.alloc(78), box('avcC', Buffer.from(bytes))))

test('an empty avcC, one without a sequence parameter set, and no MP4 at all are refused', () => {
  expect(holdsParameterSets(avc())).toBe(false)
  expect(holdsParameterSets(avc(1, 0x42, 0xc0, 0x1e, 0xff, 0xe0, 0))).toBe(false)
  expect(holdsParameterSets(avc(1, 0x42, 0xc0, 0x1e, 0xff, 0xe1, 0, 1, 0x67))).toBe(true)
  expect(holdsParameterSets(movie(box('avc1', Buffer.alloc(78))))).toBe(false)
  expect(holdsParameterSets(movie(box('hvc1', Buffer.alloc(78), box('hvcC'))))).toBe(false)
  expect(holdsParameterSets(Buffer.alloc(0))).toBe(false)
  expect(holdsParameterSets(avc(1, 0x42, 0xc0, 0x1e, 0xff, 0xe1, 0, 1, 0x67).subarray(0, 60))).toBe(false)
})

test('the real ffmpeg: with the parameter sets apart they are in the head, within the pictures they are not', () => {
  const plan = chooseEncoder(['libx264'])
  if (!plan) throw new Error('no plan for libx264')
  const picture = { width: 320, height: 240, fps: 10 }
  const film = (...flags: string[]) => {
    const input = '-v error -f lavfi -i color=black:s=320x240:r=10 -t 1'.split(' ')
    return execFileSync('ffmpeg', [
      ...input,
      ...encoderArgs(plan, picture),
      ...flags,
      '-f',
      'mp4',
      '-movflags',
      FRAGMENT_MOVFLAGS,
      'pipe:1',
    ])
  }
  expect(holdsParameterSets(film())).toBe(true)
  // What h264_v4l2m2m does of its own accord.
  expect(holdsParameterSets(film('-flags', '-global_header'))).toBe(false)
})
