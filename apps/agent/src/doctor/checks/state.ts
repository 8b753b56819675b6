import fs from 'node:fs'
import path from 'node:path'
import type { Finding } from '@thatdam/protocol/doctor'
import type { Check } from '../check.ts'
import { fail, ok, reasonOf, warn } from '../finding.ts'

const NAME = 'State directory'

/** Whether the agent can keep what it must not lose. */
export const check: Check = {
  name: NAME,
  limitMs: 5_000,
  run: async ({ env }) => [await checkStateDir(env.stateDir)],
}

async function checkStateDir(stateDir: string): Promise<Finding> {
  const there = await fs.promises.stat(stateDir).catch((error: unknown) => reasonOf(error))
  if (there === 'ENOENT') return warn(NAME, `${stateDir} is not there yet: nothing has run here.`, 'thatdam run, or thatdam register first')
  const probe = path.join(stateDir, `.doctor-${process.pid}`)
  try {
    await fs.promises.writeFile(probe, 'x', { mode: 0o600 })
    return ok(NAME, `${stateDir} can be written.`)
  } catch (error) {
    const reason = reasonOf(error)
    return fail(NAME, `${stateDir} cannot be written (${reason}).`, FIXES[reason] ?? ownFix(stateDir))
  } finally {
    await fs.promises.rm(probe, { force: true }).catch(() => {})
  }
}

const FIXES: Readonly<Record<string, string>> = {
  ENOSPC: 'Free some space on that disk.',
  EDQUOT: 'Free some space: this user’s quota is used up.',
  EROFS: 'Its disk is mounted read-only: see the line Disk, or set STATE_DIR to another folder.',
  ENOTDIR: 'A file has its name: move that file away, or set STATE_DIR to another folder.',
}

function ownFix(stateDir: string): string {
  if (process.platform === 'win32') return `icacls "${stateDir}" /grant "%USERNAME%:(OI)(CI)F" in a prompt as administrator`
  return `sudo chown -R ${process.getuid?.() ?? 0}:${process.getgid?.() ?? 0} '${stateDir}', or run the agent as the user who owns it.`
}
