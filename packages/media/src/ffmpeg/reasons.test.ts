import { expect, test } from 'vitest'
import { Backoff } from './backoff.ts'
import { isEncoderTrouble, noSignal, troubleOf } from './reasons.ts'

const ended = { code: 1, signal: null }
const what = 'the camera "HD Pro"'

test.each([
  ['[video4linux2,v4l2 @ 0x55] ioctl(VIDIOC_STREAMON): Device or resource busy', 'busy', /Another program uses the camera "HD Pro"/],
  ['/dev/video0: Device or resource busy', 'busy', /Close it there/],
  ['[in#0 @ 0x1] Error opening input: Permission denied', 'failed', /usermod -aG video/],
  [
    '[video4linux2,v4l2 @ 0x55] Cannot open video device /dev/video9: No such file or directory',
    'gone',
    /^The camera "HD Pro" is not there/,
  ],
  ['[video4linux2,v4l2 @ 0x55] ioctl(VIDIOC_DQBUF): No such device', 'gone', /Plug it in again/],
  ['[dshow @ 000001] Could not find video device with name [x] among source devices of type video.', 'gone', /Plug it in/],
  ['[rtsp @ 0x1] method DESCRIBE failed: 401 Unauthorized', 'failed', /user name or password/],
  ['[tcp @ 0x1] Connection to tcp://10.0.0.9:554 failed: Connection refused', 'gone', /does not answer/],
  ['[h264_nvenc @ 0x1] Cannot load libcuda.so.1\nError initializing output stream 0:0', 'failed', /encoder .* could not be opened/],
  ['pipe:0: Invalid data found when processing input', 'failed', /no video that can be read/],
  ['something new', 'failed', /ended with code 1/],
])('%s', (stderr, state, sentence) => {
  const trouble = troubleOf(stderr, what, ended)
  expect(trouble.state).toBe(state)
  expect(trouble.sentence).toMatch(sentence)
})

test('a signal, silence, and encoders that another may replace', () => {
  expect(troubleOf('', what, { code: null, signal: 'SIGSEGV' }).sentence).toContain('was ended by SIGSEGV')
  expect(noSignal(what, 5).sentence).toBe('The camera "HD Pro" gave no picture for 5 seconds. It is opened again by itself.')
  expect(isEncoderTrouble("Unknown encoder 'h264_nvenc'")).toBe(true)
  expect(isEncoderTrouble('No such device')).toBe(false)
})

test('waits grow from half a second to 30 s and begin anew after a good run', () => {
  const backoff = new Backoff()
  const waits = Array.from({ length: 12 }, () => backoff.nextMs(100, 0.5))
  expect(waits.slice(0, 4)).toEqual([500, 1000, 2000, 4000])
  expect(Math.max(...waits)).toBe(30_000)
  expect(backoff.nextMs(60_000, 0.5)).toBe(500)
})
