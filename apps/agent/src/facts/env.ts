import path from 'node:path'

/** Folders that are searched for tools; a service started at boot often gets a PATH without sbin or Homebrew. */
export function searchFolders(): string[] {
  const usual = process.platform === 'win32' ? [] : ['/usr/local/bin', '/usr/bin', '/bin', '/usr/sbin', '/sbin', '/opt/homebrew/bin']
  return [...new Set([...(process.env['PATH'] ?? '').split(path.delimiter), ...usual].filter((folder) => path.isAbsolute(folder)))]
}

/** The environment of every tool: the plain language, so that parsers meet one set of words. */
export function toolEnvironment(): NodeJS.ProcessEnv {
  return { ...process.env, PATH: searchFolders().join(path.delimiter), LC_ALL: 'C', LANG: 'C' }
}
