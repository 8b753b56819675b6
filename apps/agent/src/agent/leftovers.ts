import { readFileSync } from 'node:fs'
import * as z from 'zod/mini'
import { readJson, writeFileDurable } from '@thatdam/store/durable'
import { sleep } from '../backoff.ts'
import { groupIsAlive, signalGroup } from '../runtimes/exec/group.ts'

const GRACE_MS = 10_000
const Leftovers = z.object({
  version: z.literal(1),
  bootId: z.string(),
  groups: z.array(z.object({ pid: z.number(), startedAt: z.string() })),
})

/** Process groups that this agent started, on disk: the next start ends what a killed agent's children left (an ffmpeg, a database). */
export class Groups {
  private readonly path: string
  private readonly groups = new Map<number, string>()
  private writing: Promise<void> = Promise.resolve()

  constructor(path: string) {
    this.path = path
  }

  add(pid: number): void {
    this.groups.set(pid, startOf(pid) ?? '')
    this.save()
  }

  remove(pid: number): void {
    this.groups.delete(pid)
    this.save()
  }

  settled(): Promise<void> {
    return this.writing
  }

  private save(): void {
    const write = async () => {
      const groups = [...this.groups].map(([pid, startedAt]) => ({ pid, startedAt }))
      await writeFileDurable(this.path, `${JSON.stringify({ version: 1, bootId: bootId(), groups })}\n`).catch(() => {})
    }
    this.writing = this.writing.then(write)
  }
}

/** Children end themselves when their agent goes; what has not after 3 s is asked to, and after 10 s made to. Returns how many had to be. */
export async function endLeftovers(path: string, graceMs = GRACE_MS): Promise<number> {
  const file = await readJson(path, Leftovers).catch(() => null)
  if (!file || file.bootId === '' || file.bootId !== bootId()) return 0
  const signal = AbortSignal.timeout(graceMs)
  let left = file.groups.filter(ours)
  const asksAtMs = Date.now() + graceMs / 3
  let asked = false
  while (left.length > 0 && !signal.aborted) {
    await sleep(100, signal)
    left = left.filter(ours)
    if (asked || Date.now() < asksAtMs) continue
    asked = true
    for (const group of left) signalGroup(group.pid, 'SIGTERM')
  }
  for (const group of left) signalGroup(group.pid, 'SIGKILL')
  return left.length
}

function ours(group: { pid: number; startedAt: string }): boolean {
  const start = startOf(group.pid)
  return groupIsAlive(group.pid) && (start === null || start === group.startedAt)
}

/** Start time of a process in the kernel's clock ticks: tells it from a later one with the same id. Null: it is gone, or no Linux. */
function startOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null
  } catch {
    return null
  }
}

/** Empty where there is none: then nothing is ended by number. */
function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    return ''
  }
}
