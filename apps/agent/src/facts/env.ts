import path from 'node:path'
import { usualFolders } from './program-folders.mjs'

/** Folders that are searched for tools: those of PATH, then the usual ones. */
export function searchFolders(): string[] {
  const folders = [...(process.env['PATH'] ?? '').split(path.delimiter), ...usualFolders(process.platform, process.env)]
  return [...new Set(folders.filter((folder) => path.isAbsolute(folder)))]
}

/** The environment of every tool: the plain language, so that parsers meet one set of words. */
export function toolEnvironment(): NodeJS.ProcessEnv {
  return { ...process.env, PATH: searchFolders().join(path.delimiter), LC_ALL: 'C', LANG: 'C' }
}
