import { execService } from '../service.ts'

/** It learns of cameras from camera-proxy while it runs: a camera that comes or goes restarts no recording. */
export const service = execService({ name: 'capture-daemon', uses: ['ffmpeg'], rssMaxMiB: 512, heapMaxMiB: 96 })
