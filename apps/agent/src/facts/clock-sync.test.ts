import fs from 'node:fs'
import path from 'node:path'
import { expect, it } from 'vitest'
import { isSynchronised } from './clock-sync.ts'

const recorded = (name: string): string => fs.readFileSync(path.join(import.meta.dirname, '../doctor/testdata', name), 'utf8')
/** A w32tm that knows only /query /status, as it answers with this text; asked for its source it names its own clock, with code 0. */
const windows = (code: number, status: string): Promise<boolean> =>
  isSynchronised('win32', async (_command, args) =>
    args.join(' ') === '/query /status' ? { code, stdout: status } : { code: 0, stdout: 'Local CMOS Clock\r\n' },
  )

it('a Windows clock that follows nobody is not in step', async () => {
  expect(await windows(0, recorded('w32tm-english.txt'))).toBe(true)
  expect(await windows(0, recorded('w32tm-german.txt'))).toBe(false)
  const free = 'Leap Indicator: 0(no warning)\r\nStratum: 1 (primary reference - syncd by radio clock)\r\nSource: Local CMOS Clock\r\n'
  expect(await windows(0, free)).toBe(false)
  expect(await windows(1, 'The following error occurred: The service has not been started. (0x80070426)')).toBe(false)
})
