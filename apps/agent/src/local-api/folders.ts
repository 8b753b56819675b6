import { access, constants, readdir, readFile, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, isAbsolute, join, parse, resolve } from 'node:path'
import { errnoText } from '@thatdam/store/durable'
import { ThatdamError } from '@thatdam/protocol/errors'
import type { FolderListing } from '@thatdam/protocol/local'
import { toolEnvironment } from '../facts/env.ts'
import { isSystemHome, mediaOfPeople, parseShellFolders } from '../facts/parse/shell-folders.ts'
import { listFolder, runTool } from '../facts/tool.ts'

const FOLDERS_MAX = 1000
type Folder = FolderListing['folders'][number]

/** One level of folders for the picker. `path` null: where to begin, Pictures and Videos first. */
export async function listFolders(path: string | null): Promise<FolderListing> {
  if (path === null) return { path: null, parent: null, folders: await beginnings(), truncated: false }
  if (!isAbsolute(path) || path.includes('\0')) throw new ThatdamError('BAD_PATH', 'A folder is named by its whole path.')
  const folder = resolve(path)
  let names: string[]
  try {
    const entries = await readdir(folder, { withFileTypes: true })
    names = entries.filter((entry) => entry.isDirectory() && !entry.name.startsWith('.')).map((entry) => entry.name)
  } catch (error) {
    const code = errnoText(error)
    if (code === 'ENOENT' || code === 'ENOTDIR') throw new ThatdamError('NOT_FOUND', `There is no folder ${folder}.`, { cause: error })
    throw new ThatdamError('FORBIDDEN', `The folder ${folder} cannot be read (${code}). Give the agent’s user the right to read it.`, {
      cause: error,
    })
  }
  const sorted = names.toSorted((a, b) => a.localeCompare(b, undefined, { numeric: true }))
  const folders = await Promise.all(sorted.slice(0, FOLDERS_MAX).map((name) => describe(join(folder, name), name, false)))
  const { root } = parse(folder)
  return { path: folder, parent: folder === root ? null : dirname(folder), folders, truncated: sorted.length > FOLDERS_MAX }
}

async function beginnings(): Promise<Folder[]> {
  const home = homedir()
  const media = await mediaFolders(home)
  const drives =
    process.platform === 'win32' ? Array.from('CDEFGHIJ', (letter) => `${letter}:\\`) : ['/media', '/mnt', '/srv', '/Volumes', '/']
  const wanted = [...media.map((path) => ({ path, suggested: true })), ...[home, ...drives].map((path) => ({ path, suggested: false }))]
  const seen = new Set<string>()
  const folders: Folder[] = []
  for (const { path, suggested } of wanted) {
    if (seen.has(path) || !(await isFolder(path))) continue
    seen.add(path)
    folders.push(
      await describe(
        path,
        path === home ? 'Home' : path === '/' ? 'This computer' : (path.split(/[/\\]/).findLast(Boolean) ?? path),
        suggested,
      ),
    )
  }
  return folders
}

/** Where Windows keeps which folder a person's pictures are in: OneDrive moves them. */
const SHELL_FOLDERS = String.raw`HKCU\Software\Microsoft\Windows\CurrentVersion\Explorer\User Shell Folders`

async function windowsMediaFolders(home: string): Promise<string[]> {
  if (isSystemHome(home)) {
    const homes = join(parse(home).root, 'Users')
    return mediaOfPeople(homes, await listFolder(homes))
  }
  const { stdout } = await runTool('reg.exe', ['query', SHELL_FOLDERS])
  const moved = parseShellFolders(stdout, toolEnvironment()).filter((path) => resolve(path) !== resolve(home))
  return [...moved, join(home, 'Pictures'), join(home, 'Videos')]
}

/** A desktop in another language names its folders itself (user-dirs.dirs); macOS keeps the English names on disk. */
async function mediaFolders(home: string): Promise<string[]> {
  if (process.platform === 'win32') return await windowsMediaFolders(home)
  const named = await readFile(join(home, '.config/user-dirs.dirs'), 'utf8').catch(() => '')
  const from = (key: string) => new RegExp(`^XDG_${key}_DIR="(.*)"$`, 'm').exec(named)?.[1]?.replace('$HOME', home)
  const pictures = from('PICTURES') ?? join(home, 'Pictures')
  const videos = from('VIDEOS') ?? join(home, process.platform === 'darwin' ? 'Movies' : 'Videos')
  return [pictures, videos].filter((path) => resolve(path) !== resolve(home))
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null))?.isDirectory() ?? false
}

async function describe(path: string, name: string, suggested: boolean): Promise<Folder> {
  const readable = await access(path, constants.R_OK | constants.X_OK).then(
    () => true,
    () => false,
  )
  return { name, path, readable, suggested }
}
