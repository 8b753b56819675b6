import { rm } from 'node:fs/promises'
import * as z from 'zod/mini'
import { fsyncDirectory, readJson, writeFileDurable } from '@thatdam/store/durable'
import { dirname } from 'node:path'
import type { RejectedPlan } from '../plan-applier.ts'

const File = z.object({ version: z.literal(1), agentVersion: z.string(), bodyHash: z.string(), reason: z.string() })

/** The plan that this machine could not run, so that a restart does not try it again; another version of the agent may. Null: none. */
export async function readRejected(path: string, agentVersion: string): Promise<RejectedPlan | null> {
  const file = await readJson(path, File).catch(() => null)
  return file?.agentVersion === agentVersion ? { bodyHash: file.bodyHash, reason: file.reason } : null
}

export async function writeRejected(path: string, agentVersion: string, plan: RejectedPlan | null): Promise<void> {
  if (plan) {
    await writeFileDurable(path, `${JSON.stringify({ version: 1, agentVersion, ...plan })}\n`)
    return
  }
  await rm(path, { force: true })
  await fsyncDirectory(dirname(path))
}
