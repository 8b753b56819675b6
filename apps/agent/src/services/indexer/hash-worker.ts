import { Worker } from 'node:worker_threads'
import type { FileIdentity } from '@thatdam/store/locations'
import { HEAD_BYTES } from './kinds.ts'

export type HashResult =
  | { readonly ok: true; readonly sha256: string; readonly head: Buffer; readonly identity: FileIdentity }
  /** `changed`: it was written to while it was read. Else the system's error code. */
  | { readonly ok: false; readonly code: string }

interface Answer {
  id: number
  code?: string
  sha256?: string
  head?: Uint8Array
  size?: bigint
  mtimeNs?: bigint
  inode?: bigint
  device?: string
}

/**
 * Hashes files one after the other in a thread of its own, with synchronous reads into one buffer that is used again: twice as fast as a
 * read stream, and the process stays free to answer. One read pass; symbolic links are refused.
 */
export class HashWorker {
  private readonly worker: Worker
  private readonly control = new Int32Array(new SharedArrayBuffer(4))
  private readonly progress = new BigInt64Array(new SharedArrayBuffer(8))
  private readonly waiting = new Map<number, (result: HashResult) => void>()
  private nextId = 1

  constructor() {
    this.worker = new Worker(`(${hashLoop.toString()})(${HEAD_BYTES})`, {
      eval: true,
      workerData: { control: this.control, progress: this.progress },
    })
    this.worker.on('message', (answer: Answer) => this.receive(answer))
    this.worker.on('error', (error) => {
      console.error('the hash thread failed', error)
      for (const resolve of this.waiting.values()) resolve({ ok: false, code: 'EIO' })
      this.waiting.clear()
    })
  }

  /** Callers bound how many wait (the indexer: 128). */
  hash(path: Buffer): Promise<HashResult> {
    const id = this.nextId++
    return new Promise((resolve) => {
      this.waiting.set(id, resolve)
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
      this.worker.postMessage({ id, path })
    })
  }

  /** Bytes read since the start, files under way included. */
  get bytesRead(): number {
    return Number(Atomics.load(this.progress, 0))
  }

  setPaused(paused: boolean): void {
    if (Atomics.load(this.control, 0) === 2) return
    Atomics.store(this.control, 0, paused ? 1 : 0)
    Atomics.notify(this.control, 0)
  }

  /** Everything that waits or is under way answers ECANCELED soon. */
  cancel(): void {
    Atomics.store(this.control, 0, 2)
    Atomics.notify(this.control, 0)
  }

  async close(): Promise<void> {
    this.cancel()
    await this.worker.terminate()
  }

  private receive(answer: Answer): void {
    const resolve = this.waiting.get(answer.id)
    this.waiting.delete(answer.id)
    if (answer.sha256 === undefined) resolve?.({ ok: false, code: answer.code ?? 'EIO' })
    else {
      const { size = 0n, mtimeNs = 0n, inode = 0n, device = '' } = answer
      resolve?.({
        ok: true,
        sha256: answer.sha256,
        head: Buffer.from(answer.head ?? []),
        identity: { size, mtimeNs, inode: BigInt.asIntN(64, inode), device },
      })
    }
  }
}

/**
 * The thread. Its source is handed over as text, so that a bundle of one file needs no second entry: it may use nothing from outside.
 * `control`: 0 run, 1 pause, 2 end.
 */
function hashLoop(headBytes: number): void {
  const fs = process.getBuiltinModule('node:fs')
  const crypto = process.getBuiltinModule('node:crypto')
  const { parentPort, workerData } = process.getBuiltinModule('node:worker_threads')
  const { control, progress } = workerData as { control: Int32Array; progress: BigInt64Array }
  const buffer = Buffer.allocUnsafeSlow(4 * 1024 * 1024)
  const hashFile = (id: number, path: Uint8Array): Answer => {
    // Windows has neither flag: undefined counts as 0
    const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = fs.constants
    const descriptor = fs.openSync(Buffer.from(path), O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
    try {
      const before = fs.fstatSync(descriptor, { bigint: true })
      if (!before.isFile()) return { id, code: 'NOTFILE' }
      const hash = crypto.createHash('sha256')
      let head: Uint8Array | null = null
      for (;;) {
        if (Atomics.load(control, 0) === 1) Atomics.wait(control, 0, 1)
        if (Atomics.load(control, 0) === 2) return { id, code: 'ECANCELED' }
        const read = fs.readSync(descriptor, buffer, 0, buffer.length, null)
        if (read === 0) break
        head ??= Uint8Array.prototype.slice.call(buffer, 0, Math.min(headBytes, read))
        hash.update(buffer.subarray(0, read))
        Atomics.add(progress, 0, BigInt(read))
      }
      const after = fs.fstatSync(descriptor, { bigint: true })
      if (after.size !== before.size || after.mtimeNs !== before.mtimeNs) return { id, code: 'changed' }
      const { size, mtimeNs, ino: inode, dev } = after
      return { id, sha256: hash.digest('hex'), head: head ?? new Uint8Array(0), size, mtimeNs, inode, device: String(dev) }
    } finally {
      fs.closeSync(descriptor)
    }
  }
  parentPort?.on('message', ({ id, path }: { id: number; path: Uint8Array }) => {
    let answer: Answer
    try {
      answer = hashFile(id, path)
    } catch (error) {
      answer = { id, code: (error as NodeJS.ErrnoException).code ?? 'EIO' }
    }
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    parentPort.postMessage(answer)
  })
}
