import { globSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { expect, test } from 'vitest'
import { Approval } from '../testing/approval.ts'

/**
 * Plays stories from testdata/adopt/*.txt about a ring, machines that want in, and perhaps somebody between them. A block is a few commands, a line
 * of dashes, and what came of them; the commands are played again and the text compared. To accept new text: THATDAM_ACCEPT=1 vitest run <this file>.
 *
 *   waits NAME [ADDRESS]     a machine begins to wait; `adopted NAME`: one that was installed with --adopt
 *   list                     what the owner's console shows of who waits
 *   open NAME | approve NAME | refuse NAME     the owner's word in the console
 *   yes NAME | no NAME       the word of a person at the machine
 *   between NAME             from now on everything that NAME says passes through somebody who takes the ring's place
 *   ask NAME                 what the machine's own page says
 *   run SECONDS              time goes by; machines ask every two seconds
 *
 * Digits are told as equal or different, or they would be others each time.
 */
const TESTDATA = join(import.meta.dirname, '../../testdata/adopt')

for (const file of globSync('*.txt', { cwd: TESTDATA })) {
  test(`approval: ${basename(file, '.txt').replaceAll('-', ' ')}`, async () => {
    const path = join(TESTDATA, file)
    const text = readFileSync(path, 'utf8')
    const story = new Approval()
    const played: string[] = []
    let commands: string[] = []
    let isOutput = false
    for (const line of text.split('\n')) {
      const isIndented = line.startsWith('  ')
      if (isOutput && isIndented) continue
      isOutput = false
      played.push(line)
      if (line.trim() === '----') {
        played.push(...(await story.play(commands)).map((said) => `  ${said}`))
        commands = []
        isOutput = true
      } else if (isIndented) commands.push(line.trim())
    }
    const now = played.join('\n')
    if (process.env['THATDAM_ACCEPT'] === '1') writeFileSync(path, now)
    else expect(now).toBe(text)
  })
}
