import { execService } from '../service.ts'

/** Pictures need no ffmpeg, so it runs without: films and sounds then wait. */
export const service = execService({
  name: 'deriver',
  uses: ['indexPaths', 'ffmpeg', 'maxParallel'],
  nice: 10,
  rssMaxMiB: 1536,
  toolsMaxMiB: 3072,
  heapMaxMiB: 256,
})
