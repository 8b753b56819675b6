import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/*
 * Where this program lies. Installed: `dist/thatdam.cjs` with `dist/services/*.cjs` (the build replaces `import.meta.*` by CommonJS names).
 * From a checkout: the TypeScript sources themselves, which Node runs directly. Bundles of parts that are loaded later (`dist/runtimes/…`)
 * hold this file too.
 */
const bundled = import.meta.filename.endsWith('.cjs')
const programDir = bundled ? folderWith('thatdam.cjs') : import.meta.dirname

function folderWith(name: string): string {
  let folder = import.meta.dirname
  while (!existsSync(join(folder, name)) && dirname(folder) !== folder) folder = dirname(folder)
  return folder
}

/** What Node runs for a service's own process. */
export function serviceEntry(name: string): string {
  return bundled ? join(programDir, 'services', `${name}.cjs`) : join(programDir, 'services', name, 'process.ts')
}

/** A file of a runtime that is loaded only when that runtime is chosen. */
export function runtimeEntry(runtime: string, file: string): string {
  return bundled ? join(programDir, 'runtimes', runtime, `${file}.cjs`) : join(programDir, 'runtimes', runtime, `${file}.ts`)
}

/** All folders that a service's program is read from. */
export function programRoots(): string[] {
  const root = dirname(dirname(dirname(programDir)))
  if (!bundled) return [root]
  const libraries = [dirname(programDir), root].map((folder) => join(folder, 'node_modules'))
  return [programDir, ...libraries.filter((folder) => existsSync(folder))]
}

/** What Node runs for the agent itself. */
export function mainEntry(): string {
  return bundled ? join(programDir, 'thatdam.cjs') : join(programDir, 'main.ts')
}

/** The release key that this installation has pinned: a file that the installer put beside the program. Null: none. */
export function pinnedReleaseKey(): string | null {
  try {
    return readFileSync(join(programDir, 'release.pub'), 'utf8').trim()
  } catch {
    return null
  }
}

export const AGENT_VERSION: string = readVersion()

function readVersion(): string {
  const file = bundled ? join(programDir, 'package.json') : join(dirname(programDir), 'package.json')
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
}
