import { randomBytes } from 'node:crypto'
import { writeSync } from 'node:fs'
import { OpLog } from '../log.ts'
import { testOptions } from './options.ts'

/* Appends until it is killed. First line: its public key; then one line for each op, written after `append` acknowledged it. */
const [stateDir = ''] = process.argv.slice(2)
const options = testOptions()
writeSync(1, `key ${options.signer.publicKey}\n`)
const log = OpLog.open(stateDir, options)
for (let round = 0; ; round += 1) {
  const ops = Array.from({ length: 1 + (round % 7) }, () => ({
    body: { kind: 'blob.stored' as const, sha256: randomBytes(32).toString('hex'), sizeBytes: round, nodeId: options.nodeId },
  }))
  for (const entry of log.append(ops)) writeSync(1, `${entry.id} ${entry.position}\n`)
}
