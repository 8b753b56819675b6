import { randomBytes } from 'node:crypto'
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { OpBody, OpScope, SignedBatch } from '@thatdam/protocol/ops'
import { makeBatch } from '../../batch.ts'
import { formatHlc } from '../../hlc.ts'
import { scopeOf } from '../../scopes.ts'
import { OpLog } from '../log.ts'
import { testOptions, testSigner } from './options.ts'

const cleanups: (() => void)[] = []
/** Closes and removes all machines: for afterEach. */
export function cleanUp(): void {
  for (const cleanup of cleanups.splice(0).toReversed()) cleanup()
}

/** A machine with its log and a clock of its own. */
export class Machine {
  readonly signer = testSigner()
  readonly stateDir = mkdtempSync(join(tmpdir(), 'thatdam-import-'))
  readonly nodeId: string
  now = 1_800_000_000_000
  admitter = true
  clockTrusted = false
  log: OpLog
  constructor(nodeId: string) {
    this.nodeId = nodeId
    this.log = this.#open()
    cleanups.push(() => {
      this.log.close()
      rmSync(this.stateDir, { recursive: true, force: true })
    })
  }
  #open(): OpLog {
    return OpLog.open(this.stateDir, {
      ...testOptions(this.nodeId, this.signer),
      clock: () => this.now,
      clockTrusted: () => this.clockTrusted,
      admitter: () => this.admitter,
    })
  }
  restart(): void {
    this.log.close()
    this.log = this.#open()
  }
  /** A copy of the disk as it is now. */
  image(): string {
    this.log.close()
    const path = `${this.stateDir}/image-${randomBytes(4).toString('hex')}`
    copyFileSync(this.log.file, path)
    this.log = this.#open()
    return path
  }
  restore(image: string): void {
    this.log.close()
    copyFileSync(image, this.log.file)
    for (const suffix of ['-wal', '-shm']) rmSync(this.log.file + suffix, { force: true })
    this.log = this.#open()
  }
  stored(sizeBytes = 1, nodeId = this.nodeId): OpBody {
    return { kind: 'blob.stored', sha256: randomBytes(32).toString('hex'), sizeBytes, nodeId }
  }
  author(admitter = false): { publicKey: string; admitter: boolean } {
    return { publicKey: this.signer.publicKey, admitter }
  }
  all(scope: OpScope = 'library'): SignedBatch[] {
    return this.log.batches(this.log.ownLogId(scope), 1)
  }
  /** The first batch of a log that this machine signed beside its own agent, which would have refused. */
  forged(bodies: readonly OpBody[], ms = this.now): SignedBatch {
    const scope = scopeOf((bodies[0] as OpBody).kind)
    const stampOf = (counter: number): string => formatHlc({ ms, counter, nodeId: this.nodeId })
    const ops = bodies.map((body, index) => ({ id: randomBytes(16).toString('hex'), hlc: stampOf(index), body }))
    return makeBatch({ nodeId: this.nodeId, scope, epoch: randomBytes(16).toString('hex'), head: null }, ops, this.signer).batch
  }
  feed(): string[] {
    return this.log.read(0, 2000).map((entry) => entry.op.id)
  }
}
