import fs from 'node:fs'
import path from 'node:path'
import { runTool } from '../facts/tool.ts'
import { reasonOf } from './finding.ts'

export interface Trial {
  /** Median of a few small writes that were waited for down to the disk. */
  readonly fsyncMs: number
  /** Whether a program on that disk may run; null: not tried on this system. */
  readonly runs: boolean | null
}

const WRITES = 5

/** Writes, saves and runs a small file in `folder`, and removes it. Null: it cannot be written there. */
export async function tryFolder(folder: string): Promise<Trial | null> {
  const file = path.join(folder, `.doctor-trial-${process.pid}`)
  try {
    const fsyncMs = await timeWrites(file)
    return { fsyncMs, runs: process.platform === 'win32' ? null : await mayRun(file) }
  } catch {
    return null
  } finally {
    await fs.promises.rm(file, { force: true }).catch(() => {})
  }
}

async function timeWrites(file: string): Promise<number> {
  const handle = await fs.promises.open(file, 'wx', 0o700)
  try {
    const tookMs: number[] = []
    for (let index = 0; index < WRITES; index += 1) {
      const startedMs = performance.now()
      await handle.write(Buffer.alloc(4096, index), 0, 4096, 0)
      await handle.datasync()
      tookMs.push(performance.now() - startedMs)
    }
    return tookMs.toSorted((a, b) => a - b)[WRITES >> 1] ?? 0
  } finally {
    await handle.close()
  }
}

async function mayRun(file: string): Promise<boolean | null> {
  await fs.promises.writeFile(file, '#!/bin/sh\nexit 0\n')
  try {
    await fs.promises.access(file, fs.constants.X_OK)
  } catch (error) {
    // Root too: on a disk without execution nobody has that right.
    return reasonOf(error) === 'EACCES' ? false : null
  }
  const { code } = await runTool(file, [], 2_000)
  return code === 0 ? true : null
}
