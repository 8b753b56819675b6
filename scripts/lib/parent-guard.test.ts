import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const guard = join(import.meta.dirname, 'parent-guard.mjs')
/** Node as it is on Windows: a signal to oneself is no event but the end. */
const windows = `Object.defineProperty(process, 'platform', { value: 'win32' }); process.kill = () => process.exit(1)`
const inOrder = `process.on('SIGTERM', () => process.exit(42)); process.send('runs'); setInterval(() => {}, 1000)`
const deaf = `process.send('runs'); setInterval(() => {}, 1000)`

/** The exit code of a guarded program whose channel closes once it runs. */
async function endOf(program: string, before: string): Promise<number | string> {
  const execArgv = ['--import', `data:text/javascript,${before}`, '--import', guard, '--eval', program]
  const child = fork('-', { execArgv, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  const ended = once(child, 'exit')
  await once(child, 'message')
  child.disconnect()
  const [code, signal] = (await ended) as [number | null, string | null]
  return code ?? signal ?? 'nothing'
}

test('a program whose start script is gone stops in order, on Windows too', async () => {
  expect(await endOf(inOrder, '')).toBe(42)
  expect(await endOf(inOrder, windows)).toBe(42)
})

test('one that does not listen is ended', async () => {
  expect(await endOf(deaf, '')).toBe('SIGTERM')
  expect(await endOf(deaf, windows)).toBe(1)
})
