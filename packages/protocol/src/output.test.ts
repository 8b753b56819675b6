import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, test } from 'vitest'

const whole = `import { outliveReaders } from '${import.meta.dirname}/output.ts'\noutliveReaders(process.stdout, process.stderr)`

/** A process that goes on telling after its reader is gone, then ends with 3. Resolves with its exit code. */
async function talkToNobody(begin: string): Promise<number> {
  const talk = `process.stdin.once('data', () => {
    let left = 20
    setInterval(() => left-- > 0 ? (console.log(left), process.stderr.write('x')) : process.exit(3), 5)
  })`
  const child = spawn(process.execPath, ['--input-type=module', '-e', `${begin}\n${talk}`])
  child.stdout.destroy()
  child.stderr.destroy()
  child.stdin.write('go\n')
  const [code] = (await once(child, 'exit')) as [number]
  return code
}

test('a process outlives the readers of its output, and would not by itself', async () => {
  expect(await talkToNobody(whole)).toBe(3)
  expect(await talkToNobody('')).not.toBe(3)
})
