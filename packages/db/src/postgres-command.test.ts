import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, test } from 'vitest'
import { startPostgres } from './postgres.ts'
import { controlledStart, controlledStop, serverEnvironment, serverWords } from './postgres-command.ts'
import { runAs, usableBinaries } from './postgres-files.ts'
import { isAlive, readPidFile } from './postgres-pid.ts'

test('on Windows the programs find cmd and the system’s libraries, and nothing of ours', () => {
  expect(serverEnvironment('win32', 'C:\\app\\bin', 'D:\\Windows')).toEqual({
    LC_ALL: 'C',
    TZ: 'UTC',
    PATH: 'C:\\app\\bin;D:\\Windows\\System32;D:\\Windows',
    SystemRoot: 'D:\\Windows',
    ComSpec: 'D:\\Windows\\System32\\cmd.exe',
  })
  expect(serverEnvironment('linux', '/app/bin', 'C:\\Windows')).toEqual({
    LC_ALL: 'C',
    TZ: 'UTC',
    LD_LIBRARY_PATH: '/app/lib',
    PATH: '/app/bin',
  })
})

test('pg_ctl gets the server’s words as one', () => {
  const words = serverWords(5433, 64)
  expect(words.filter((word) => /[\s"]/.test(word))).toEqual([])
  const start = controlledStart({ data: 'C:\\a b\\data', log: 'C:\\a b\\log', words, waitSeconds: 60 })
  expect(start.slice(0, -1).join('|')).toBe('start|-s|-w|-t|60|-D|C:\\a b\\data|-l|C:\\a b\\log|-o')
  expect(start.at(-1)).toBe(
    '-p 5433 -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c shared_buffers=64MB -c max_connections=60 -c log_checkpoints=off',
  )
})

test.runIf(process.platform !== 'win32')('a real pg_ctl starts and stops a server with these words', async () => {
  const home = mkdtempSync(path.join(tmpdir(), 'thatdam-pg-'))
  const made = await startPostgres({ dataDir: home })
  const port = Number(new URL(made.url('postgres')).port)
  await made.stop()
  const data = path.join(home, 'data')
  const control = path.join(usableBinaries(path.join(home, 'bin'), runAs()), 'bin/pg_ctl')
  const options = { ...runAs(), cwd: '/', stdio: 'ignore', env: { ...process.env, LC_ALL: 'C' } } as const
  const start = controlledStart({ data, log: path.join(data, 'log of pg_ctl'), words: serverWords(port, 64), waitSeconds: 30 })
  expect(spawnSync(control, start, options).status).toBe(0)
  const server = readPidFile(data)
  expect(server).toMatchObject({ port, status: 'ready' })
  expect(spawnSync(control, controlledStop(data), options).status).toBe(0)
  await expect.poll(() => isAlive(server?.pid ?? 0), { timeout: 10_000 }).toBe(false)
  rmSync(home, { recursive: true })
})
