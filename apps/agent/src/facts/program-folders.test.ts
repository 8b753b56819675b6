import { expect, test } from 'vitest'
import { usualFolders } from './program-folders.mjs'

test('on Windows programs are found where winget puts them, for the machine and for this account', () => {
  const packages = 'C:\\Users\\ada\\AppData\\Local\\Microsoft\\WinGet\\Packages'
  const names: Record<string, string[]> = {
    [packages]: ['Gyan.FFmpeg_Microsoft.Winget.Source_8wekyb3d8bbwe', 'Other.Program_1'],
    [`${packages}\\Gyan.FFmpeg_Microsoft.Winget.Source_8wekyb3d8bbwe`]: ['ffmpeg-8.0-full_build'],
  }
  const environment = { ProgramFiles: 'C:\\Program Files', LOCALAPPDATA: 'C:\\Users\\ada\\AppData\\Local' }
  expect(usualFolders('win32', environment, (folder) => names[folder] ?? [])).toEqual([
    'C:\\Program Files\\WinGet\\Links',
    'C:\\Users\\ada\\AppData\\Local\\Microsoft\\WinGet\\Links',
    `${packages}\\Gyan.FFmpeg_Microsoft.Winget.Source_8wekyb3d8bbwe\\ffmpeg-8.0-full_build\\bin`,
  ])
  expect(usualFolders('win32', {})).toEqual([])
})

test('elsewhere a PATH without Homebrew and sbin is made up for', () => {
  for (const platform of ['darwin', 'linux'] as const)
    expect(usualFolders(platform, {})).toEqual(expect.arrayContaining(['/opt/homebrew/bin', '/usr/local/bin', '/usr/sbin']))
})
