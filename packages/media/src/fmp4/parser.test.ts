import { execFileSync } from 'node:child_process'
import { beforeAll, expect, test } from 'vitest'
import { readFragmentTiming, retimeFragment } from './moof.ts'
import { FragmentParser, type InitSegment, type ParsedFragment } from './parser.ts'

let stream: Buffer

beforeAll(() => {
  const input = ['-v', 'error', '-f', 'lavfi', '-i', 'testsrc2=s=320x180:r=25', '-t', '3']
  const codec = ['-c:v', 'libx264', '-preset', 'ultrafast', '-g', '25', '-bf', '0', '-pix_fmt', 'yuv420p']
  const mux = ['-f', 'mp4', '-movflags', '+frag_keyframe+empty_moov+default_base_moof', '-frag_duration', '500000', 'pipe:1']
  stream = execFileSync('ffmpeg', [...input, ...codec, ...mux], { maxBuffer: 32 << 20 })
})

function parse(bytes: Buffer, step: number): { init: InitSegment | null; fragments: ParsedFragment[] } {
  const seen: { init: InitSegment | null; fragments: ParsedFragment[] } = { init: null, fragments: [] }
  const parser = new FragmentParser({
    init: (segment) => (seen.init = segment),
    fragment: (fragment) => void seen.fragments.push(fragment),
  })
  for (let at = 0; at < bytes.length; at += step) parser.push(bytes.subarray(at, at + step))
  return seen
}

test('the same fragments whatever the pieces of the pipe', () => {
  const whole = parse(stream, stream.length)
  expect(whole.init?.track).toMatchObject({ width: 320, height: 180, timescale: 12_800 })
  expect(whole.init?.track.codec).toMatch(/^avc1\.[0-9a-f]{6}$/)
  const timings = whole.fragments.map(({ timing }) => timing)
  expect(timings.reduce((sum, timing) => sum + timing.samples, 0)).toBe(75)
  expect(timings.reduce((sum, timing) => sum + timing.durationTicks, 0)).toBe(3 * 12_800)
  expect(timings.every((timing) => timing.durationTicks <= 12_800)).toBe(true)
  expect(timings.filter((timing) => timing.key).map((timing) => timing.decodeTicks)).toEqual([0, 12_800, 25_600])
  for (const step of [1, 7, 4096]) {
    const again = parse(stream.subarray(0, 60_000), step)
    const expected = parse(stream.subarray(0, 60_000), 60_000)
    expect(again.fragments.map((fragment) => fragment.bytes.length)).toEqual(expected.fragments.map((fragment) => fragment.bytes.length))
  }
})

test('a fragment can be put elsewhere on the time line', () => {
  const { init, fragments } = parse(stream, stream.length)
  const fragment = fragments.at(-1)
  if (!init || !fragment) throw new Error('nothing parsed')
  retimeFragment(fragment.bytes, 7, 5_000_000_000)
  expect(readFragmentTiming(fragment.bytes, init.track)).toEqual({ ...fragment.timing, decodeTicks: 5_000_000_000 })
})

const box = (size: number, type: string): Buffer => {
  const header = Buffer.alloc(8)
  header.writeUInt32BE(size)
  header.write(type, 4, 'latin1')
  return header
}

test('what is no MP4 of ours is refused, and a box cannot make it hold more than its bound', () => {
  expect(() => parse(box(3, 'moov'), 8)).toThrow(/not acceptable/)
  expect(() => parse(box(0, 'mdat'), 8)).toThrow(/not acceptable/)
  expect(() => parse(box(0xffff_fff0, 'mdat'), 8)).toThrow(/not acceptable/)
  expect(() => parse(box(2 << 20, 'moov'), 8)).toThrow(/not acceptable/)
  expect(() => parse(box(8, 'mdat'), 8)).toThrow(/before the init segment/)
  expect(() => parse(Buffer.concat([box(16, 'moov'), box(8, 'trak')]), 16)).toThrow(/without a video track/)
  expect(() => parse(Buffer.concat([box(16, 'moov'), box(9000, 'trak')]), 16)).toThrow(/leaves its parent/)
})
