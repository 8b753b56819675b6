import { expect, test } from 'vitest'
import { listsPostgres } from './postgres-pid.ts'

test('on Windows the task list tells the server from a stranger that got its number', () => {
  expect(listsPostgres('"postgres.exe","4312","Services","0","21,604 K"\r\n', 4312)).toBe(true)
  expect(listsPostgres('\r\n"Postgres.exe","4312","Console","1","21.604 K"\r\n', 4312)).toBe(true)
  expect(listsPostgres('"postgres.exe","43120","Services","0","21,604 K"\r\n', 4312)).toBe(false)
  expect(listsPostgres('"chrome.exe","4312","Console","1","143,220 K"\r\n', 4312)).toBe(false)
  expect(listsPostgres('INFO: No tasks are running which match the specified criteria.\r\n', 4312)).toBe(false)
})
