import { access, constants } from 'node:fs/promises'
import type { CameraTrouble } from '../ffmpeg/reasons.ts'

/** Whether a device node or file can be read; the sentence names it and, for missing rights, the cure. */
export async function missingPath(path: string, what: string, whenDenied: string, whenAway: string): Promise<CameraTrouble | null> {
  try {
    await access(path, constants.R_OK)
    return null
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'EACCES' || code === 'EPERM') return { state: 'failed', sentence: `${what} may not be opened by this user. ${whenDenied}` }
    return { state: 'gone', sentence: `${what} is not there. ${whenAway}` }
  }
}
