import * as z from 'zod/mini'
import { OwnerCredential } from '@thatdam/protocol/local'
import { readJson, writeFileDurable } from '@thatdam/store/durable'

const OwnerFile = z.object({ version: z.literal(1), passwordHash: z.nullable(z.string()) })

export async function readOwner(path: string): Promise<OwnerCredential> {
  const file = await readJson(path, OwnerFile)
  return { passwordHash: file?.passwordHash ?? null }
}

export const writeOwner = (path: string, owner: OwnerCredential): Promise<void> =>
  writeFileDurable(path, `${JSON.stringify({ version: 1, passwordHash: owner.passwordHash })}\n`, { mode: 0o600 })
