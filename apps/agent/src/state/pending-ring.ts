import { rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { PendingRing } from '@thatdam/protocol/join'
import { fsyncDirectory, readJson, writeFileDurable } from '@thatdam/store/durable'

/** Null: this machine waits for no ring. @throws ThatdamError when the file is damaged. */
export const readPendingRing = (path: string): Promise<PendingRing | null> => readJson(path, PendingRing)

export const writePendingRing = (path: string, pending: PendingRing): Promise<void> =>
  writeFileDurable(path, `${JSON.stringify(pending)}\n`)

/** Harmless when there is none. */
export async function forgetPendingRing(path: string): Promise<void> {
  await rm(path, { force: true })
  await fsyncDirectory(dirname(path))
}
