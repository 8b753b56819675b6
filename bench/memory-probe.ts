/** Preloaded (`--import`) into a process that is measured: on each message over its IPC channel it collects garbage and answers with its memory. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

process.on('message', (message) => {
  if (message !== 'memory') return
  for (let round = 0; round < 3; round += 1) collect()
  const { rss, heapUsed, external } = process.memoryUsage()
  process.send?.({ rssBytes: rss, heapBytes: heapUsed + external })
})
