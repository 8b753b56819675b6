import { execService } from '../service.ts'

/** Runs also without any folder chosen and without ffmpeg: it then says so, and begins as soon as they are there. */
export const service = execService({
  name: 'indexer',
  uses: ['indexPaths', 'ffmpeg', 'maxParallel'],
  nice: 10,
  rssMaxMiB: 700,
  heapMaxMiB: 256,
})
