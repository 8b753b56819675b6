import { expect, test } from 'vitest'
import { joinCommand } from './join-commands.tsx'

test('each system gets its own line; without an installer only a machine that has the agent can come', () => {
  expect(joinCommand('unix', 'td1.x', 'http://10.0.0.2:8080')).toBe('curl -fsSL http://10.0.0.2:8080/install.sh | sh -s -- --token td1.x')
  expect(joinCommand('windows', 'td1.x', 'http://10.0.0.2:8080')).toBe(
    '& ([scriptblock]::Create((irm http://10.0.0.2:8080/install.ps1))) -Token td1.x',
  )
  expect(joinCommand('installed', 'td1.x', null)).toBe('thatdam register --token td1.x')
  expect([joinCommand('unix', 'td1.x', null), joinCommand('windows', 'td1.x', null)]).toEqual([null, null])
})
