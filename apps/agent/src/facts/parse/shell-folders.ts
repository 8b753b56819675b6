import path from 'node:path'

/**
 * Pictures and videos out of `reg query "HKCU\…\User Shell Folders"`, where a person or OneDrive may have led them to another place:
 * `    My Pictures    REG_EXPAND_SZ    %USERPROFILE%\Pictures`. The names are the same in every language of Windows.
 */
export function parseShellFolders(text: string, environment: Readonly<Record<string, string | undefined>>): string[] {
  const variables = new Map(Object.entries(environment).map(([name, value]) => [name.toUpperCase(), value]))
  return ['My Pictures', 'My Video'].flatMap((name) => {
    const value = new RegExp(`^\\s+${name}\\s+REG_(?:EXPAND_)?SZ\\s+(.+?)\\s*$`, 'm').exec(text)?.[1]
    if (value === undefined) return []
    const folder = value.replace(/%([^%]+)%/g, (whole, variable: string) => variables.get(variable.toUpperCase()) ?? whole)
    return path.win32.isAbsolute(folder) ? [path.win32.normalize(folder)] : []
  })
}

/** Where the system's own account has its home; it has no pictures, people have. */
export const isSystemHome = (home: string): boolean => /\\config\\systemprofile\\?$/i.test(home)

/** The usual places below each person's home, of which not all are there. `people`: the names in the folder of homes. */
export function mediaOfPeople(homes: string, people: readonly string[]): string[] {
  const real = people.filter((name) => !/^(All Users|Default|Default User|Public)$/i.test(name))
  const below = ['Pictures', 'Videos', 'OneDrive\\Pictures', 'OneDrive\\Videos']
  return real.flatMap((name) => below.map((folder) => path.win32.join(homes, name, folder)))
}
