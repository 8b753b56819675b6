import type { Service } from '../service.ts'

const MiB = 1024 * 1024
/** For the process itself and what each camera's ring and viewers may take; ffmpeg's memory is its own. */
const BASE_BYTES = 256 * MiB
const CAMERA_BYTES = 96 * MiB
/** An ffmpeg that takes a camera's pictures, and perhaps encodes them. */
const CAMERA_TOOL_BYTES = 384 * MiB

/** Runs without ffmpeg too: each camera then says that ffmpeg is missing. A changed list of cameras starts it anew. */
export const service: Service = {
  name: 'camera-proxy',
  uses: ['cameras', 'ffmpeg'],
  assess: () => ({ canRun: true }),
  start(context, host) {
    const params = { ...context.config.params, encoders: context.facts.encoders }
    const cameras = context.config.cameras.length
    return host.exec(
      { ...context, config: { ...context.config, params } },
      {
        nice: 0,
        rssMaxBytes: BASE_BYTES + CAMERA_BYTES * cameras,
        toolsMaxBytes: BASE_BYTES + CAMERA_TOOL_BYTES * cameras,
        heapMaxMiB: 96,
      },
    )
  },
}
