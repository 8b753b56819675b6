import { expect, test } from 'vitest'
import { isSystemHome, mediaOfPeople, parseShellFolders } from './shell-folders.ts'

const KEY = String.raw`HKEY_CURRENT_USER\Software\Microsoft\Windows\CurrentVersion\Explorer\User Shell Folders`
const answer = (pictures: string, videos: string) =>
  ['', KEY, `    Personal    REG_EXPAND_SZ    X:\\Documents`, `    My Pictures    ${pictures}`, `    My Video    ${videos}`, '', ''].join(
    '\r\n',
  )

test('pictures and videos lie where the registry says, moved or not', () => {
  const moved = answer('REG_EXPAND_SZ    C:\\Users\\ada\\OneDrive\\Bilder und mehr', 'REG_EXPAND_SZ    %userprofile%\\Videos')
  expect(parseShellFolders(moved, { USERPROFILE: 'C:\\Users\\ada' })).toEqual([
    'C:\\Users\\ada\\OneDrive\\Bilder und mehr',
    'C:\\Users\\ada\\Videos',
  ])
  const odd = answer('REG_SZ    D:/Photos', 'REG_EXPAND_SZ    %NOWHERE%\\Videos')
  expect(parseShellFolders(odd, {})).toEqual(['D:\\Photos'])
  expect(parseShellFolders('ERROR: The system was unable to find the specified registry key or value.\r\n', {})).toEqual([])
})

test('the system’s account is shown what people have', () => {
  expect(isSystemHome('C:\\WINDOWS\\system32\\config\\systemprofile')).toBe(true)
  expect(isSystemHome('C:\\Users\\ada')).toBe(false)
  const people = ['ada', 'All Users', 'Default', 'Default User', 'Public']
  expect(mediaOfPeople('C:\\Users', people)).toEqual(
    ['Pictures', 'Videos', 'OneDrive\\Pictures', 'OneDrive\\Videos'].map((name) => `C:\\Users\\ada\\${name}`),
  )
})
