import { execService } from '../service.ts'

/** `indexPaths`: an original is given out only while its folder is one that the owner chose. */
export const service = execService({ name: 'media-api', uses: ['indexPaths'], rssMaxMiB: 512, heapMaxMiB: 128 })
