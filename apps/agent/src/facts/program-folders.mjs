// Plain JavaScript for Node 20 or newer: scripts/ asks here too, before anything is installed.
import fs from 'node:fs'
import path from 'node:path'

/**
 * Folders that are searched for programs after PATH. What starts at boot often gets a PATH without sbin or Homebrew, and Windows gives a
 * program that runs no new PATH: what winget installed meanwhile is found where winget puts it, for the machine or for this account. It
 * makes links only for those who may, else the program lies in its package alone.
 * @param {NodeJS.Platform} platform
 * @param {Readonly<Record<string, string | undefined>>} environment
 * @param {(folder: string) => string[]} list
 * @returns {string[]}
 */
export function usualFolders(platform, environment, list = namesIn) {
  if (platform !== 'win32') return ['/usr/local/bin', '/usr/bin', '/bin', '/usr/sbin', '/sbin', '/opt/homebrew/bin']
  const { join } = path.win32
  const { ProgramFiles, LOCALAPPDATA } = environment
  const homes = [ProgramFiles && join(ProgramFiles, 'WinGet'), LOCALAPPDATA && join(LOCALAPPDATA, 'Microsoft', 'WinGet')]
  return homes.flatMap((home) => {
    if (!home) return []
    const packages = list(join(home, 'Packages')).filter((name) => name.startsWith('Gyan.FFmpeg_'))
    const folders = packages.map((name) => join(home, 'Packages', name))
    return [join(home, 'Links'), ...folders.flatMap((folder) => list(folder).map((name) => join(folder, name, 'bin')))]
  })
}

/** @param {string} folder */
function namesIn(folder) {
  try {
    return fs.readdirSync(folder)
  } catch {
    return [] // winget never installed anything there
  }
}
