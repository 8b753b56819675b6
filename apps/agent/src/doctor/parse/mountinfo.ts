import path from 'node:path'

export interface Mount {
  readonly mountPoint: string
  readonly type: string
  readonly source: string
  readonly readOnly: boolean
  readonly noExec: boolean
}

/** The mount of `/proc/self/mountinfo` that holds `folder`: the longest mount point wins, of equal ones the last. */
export function mountOf(text: string, folder: string): Mount | null {
  let found: Mount | null = null
  for (const line of text.split('\n')) {
    const [before = '', after = ''] = line.split(' - ')
    const [, , , , point = '', options = ''] = before.split(' ')
    const [type = '', source = '', superOptions = ''] = after.split(' ')
    const mountPoint = unescape(point)
    if (mountPoint === '' || !holds(mountPoint, folder) || (found && mountPoint.length < found.mountPoint.length)) continue
    const set = new Set([...options.split(','), ...superOptions.split(',')])
    found = { mountPoint, type, source: unescape(source), readOnly: set.has('ro'), noExec: options.split(',').includes('noexec') }
  }
  return found
}

/** Blanks and backslashes are written as three octal digits. */
const unescape = (text: string) => text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)))
const holds = (mountPoint: string, folder: string) => !path.posix.relative(mountPoint, folder).startsWith('..')
