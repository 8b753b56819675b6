import { access, constants } from 'node:fs/promises'

/** Whether a device node or file can be read; the sentence names it and, for missing rights, the cure. */
export async function missingPath(path: string, what: string, whenDenied: string): Promise<string | null> {
  try {
    await access(path, constants.R_OK)
    return null
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'EACCES' || code === 'EPERM') return `${what} may not be opened by this user. ${whenDenied}`
    return `${what} is not there. Plug it in again; it goes on by itself.`
  }
}
