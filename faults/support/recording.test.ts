import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { gapIn } from './recording.ts'

let directory: string
beforeAll(() => {
  directory = mkdtempSync(path.join(os.tmpdir(), 'thatdam-recording-'))
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

/** Three seconds of a test pattern, of which these frames are kept. */
function film(name: string, kept: string): string {
  const file = path.join(directory, name)
  const input = ['-f', 'lavfi', '-i', 'testsrc=s=64x48:r=30:d=3']
  execFileSync('ffmpeg', ['-v', 'error', ...input, '-vf', `select='${kept}'`, '-fps_mode', 'passthrough', file])
  return file
}

test('a frame that is missing is noticed, and none that is there', () => {
  expect(gapIn(film('whole.mp4', '1'))).toBeNull()
  expect(gapIn(film('one-less.mp4', 'not(eq(n,40))'))).toMatch(/^after 1\.3\d* s no frame comes for 0\.067 s$/)
  expect(gapIn(film('a-second-less.mp4', 'not(between(t,1,2))'))).toMatch(/no frame comes for 1\.0/)
  expect(gapIn(film('one.mp4', 'eq(n,0)'))).toBe('it has 1 frames')
})
