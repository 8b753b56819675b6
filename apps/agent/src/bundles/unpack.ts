import { execFile } from 'node:child_process'
import { mkdir, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { ThatdamError } from '@thatdam/protocol/errors'
import { fsyncDirectory, renamePatiently } from '@thatdam/store/durable'

const run = promisify(execFile)
const LIST_MAX_BYTES = 64 * 1024 * 1024
const KEPT = 2

const leaves = (path: string): boolean => /^([/\\]|[A-Za-z]:)/.test(path) || path.split(/[/\\]/).includes('..')

/**
 * Unpacks a verified archive into `<bundles>/<sha256>`, whole or not at all, and removes all but the newest two.
 * @throws ThatdamError when a member would leave the folder, or tar fails (no space).
 */
export async function unpack(archivePath: string, bundlesDir: string, sha256: string): Promise<string> {
  const folder = join(bundlesDir, sha256)
  const temporary = `${folder}.tmp`
  await rm(temporary, { recursive: true, force: true })
  await checkMembers(archivePath)
  await mkdir(temporary, { recursive: true, mode: 0o700 })
  try {
    await run('tar', ['-xzf', archivePath, '-C', temporary, '--no-same-owner'], { maxBuffer: LIST_MAX_BYTES })
    await renamePatiently(temporary, folder)
    await fsyncDirectory(bundlesDir)
  } catch (error) {
    await rm(temporary, { recursive: true, force: true })
    throw new ThatdamError(
      'UNAVAILABLE',
      `The console’s archive could not be unpacked into ${bundlesDir}: ${firstLine(error)}. Look for free disk space there.`,
      {
        cause: error,
      },
    )
  }
  await removeOld(bundlesDir, sha256)
  return folder
}

/** The list is read before anything is written (THREATS 17): absolute paths, `..`, links that point outside, devices. */
async function checkMembers(archivePath: string): Promise<void> {
  let names: string
  let details: string
  try {
    names = (await run('tar', ['-tzf', archivePath], { maxBuffer: LIST_MAX_BYTES })).stdout
    details = (await run('tar', ['-tvzf', archivePath], { maxBuffer: LIST_MAX_BYTES })).stdout
  } catch (error) {
    throw new ThatdamError('UNPROCESSABLE', `The console’s archive cannot be read: ${firstLine(error)}. It is fetched again later.`, {
      cause: error,
    })
  }
  const bad = names.split('\n').find(leaves)
  if (bad !== undefined)
    throw new ThatdamError('BAD_PATH', `The console’s archive holds “${bad.slice(0, 200)}”, which leaves its folder. It was not unpacked.`)
  for (const line of details.split('\n').filter((one) => one !== '')) {
    const link = /^[lh].* (?:->|link to) (.*)$/.exec(line)?.[1]
    if (!/^[-dlh]/.test(line) || (link !== undefined && (/^([/\\]|[A-Za-z]:)/.test(link) || climbs(line, link)))) {
      throw new ThatdamError(
        'BAD_PATH',
        `The console’s archive holds a link or device that leaves its folder: ${line.slice(0, 200)}. It was not unpacked.`,
      )
    }
  }
}

/** Does a relative link go further up than the folder it lies in is deep? */
function climbs(line: string, link: string): boolean {
  const ups = link.split(/[/\\]/).filter((part) => part === '..').length
  if (ups === 0) return false
  const name = /\s(\S.*) (?:->|link to) /.exec(line.replace(/^\S+\s+\S+\s+\d+\s+\S+\s+\S+/, ''))?.[1] ?? ''
  const depth = name.split('/').filter((part) => part !== '' && part !== '.').length - 1
  return ups > depth
}

async function removeOld(bundlesDir: string, newest: string): Promise<void> {
  const names = (await readdir(bundlesDir)).filter((name) => /^[0-9a-f]{64}$/.test(name) && name !== newest)
  const aged = await Promise.all(names.map(async (name) => ({ name, atMs: (await stat(join(bundlesDir, name))).mtimeMs })))
  const old = aged.toSorted((a, b) => b.atMs - a.atMs).slice(KEPT - 1)
  await Promise.all(old.map(({ name }) => rm(join(bundlesDir, name), { recursive: true, force: true })))
}

function firstLine(error: unknown): string {
  const text = (error as { stderr?: string }).stderr || (error instanceof Error ? error.message : String(error))
  return (text.split('\n')[0] ?? '').slice(0, 200)
}
