import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { OpBody, SignedBatch } from '@thatdam/protocol/ops'
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
    return OpLog.open(this.stateDir, { ...testOptions(this.nodeId, this.signer), clock: () => this.now })
  }
  restart(): void {
    this.log.close()
    this.log = this.#open()
  }
  stored(sizeBytes = 1, nodeId = this.nodeId): OpBody {
    return { kind: 'blob.stored', sha256: randomBytes(32).toString('hex'), sizeBytes, nodeId }
  }
  author(admitter = false): { publicKey: string; admitter: boolean } {
    return { publicKey: this.signer.publicKey, admitter }
  }
  all(): SignedBatch[] {
    return this.log.batches(this.log.ownLogId, 1)
  }
  feed(): string[] {
    return this.log.read(0, 2000).map((entry) => entry.op.id)
  }
}
