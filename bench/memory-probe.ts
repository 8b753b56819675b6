/**
 * Preloaded (`--import`) into a process that is measured. Over its IPC channel it answers `memory` with its memory after collecting garbage,
 * and `cpu` with the processor time it has used.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

process.on('message', (message) => {
  if (message === 'cpu') {
    const { user, system } = process.cpuUsage()
    process.send?.({ cpuMs: (user + system) / 1000 })
  }
  if (message !== 'memory') return
  for (let round = 0; round < 3; round += 1) collect()
  const { rss, heapUsed, external } = process.memoryUsage()
  process.send?.({ rssBytes: rss, heapBytes: heapUsed + external })
})
