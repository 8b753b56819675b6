import { expect, test } from 'vitest'
import { ffmpegMissing } from './missing.ts'

const only = (name: string) => (program: string) => program === `/usr/bin/${name}`

test('where ffmpeg is missing, the sentence holds this system’s command', () => {
  expect(ffmpegMissing('linux', only('apt-get'))).toContain('sudo apt-get install -y ffmpeg')
  expect(ffmpegMissing('linux', only('dnf'))).toContain('sudo dnf install -y ffmpeg-free')
  expect(ffmpegMissing('linux', () => false)).toContain('with your package manager')
  expect(ffmpegMissing('darwin')).toContain('brew install ffmpeg')
  expect(ffmpegMissing('win32')).toContain('winget install --id Gyan.FFmpeg -e --scope machine (as administrator); it is')
  expect(ffmpegMissing()).toMatch(/^ffmpeg is not installed .* within a minute\.$/)
})
