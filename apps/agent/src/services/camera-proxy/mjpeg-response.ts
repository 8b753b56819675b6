import type { ServerResponse } from 'node:http'
import { MJPEG_VIEWERS_MAX } from '@thatdam/media/mjpeg/mjpeg'
import { ThatdamError } from '@thatdam/protocol/errors'
import type { ProxiedCamera } from './routes.ts'

const BOUNDARY = 'thatdam-picture'
/** A viewer this far behind misses pictures; nobody else does. */
const BEHIND_LIMIT_BYTES = 512 << 10

/** multipart/x-mixed-replace until the viewer goes. */
export function streamMjpeg(camera: ProxiedCamera, response: ServerResponse): Promise<void> {
  const leave = camera.mjpeg?.join((jpeg) => {
    if (response.writableLength > BEHIND_LIMIT_BYTES) return
    response.cork()
    response.write(`--${BOUNDARY}\r\ncontent-type: image/jpeg\r\ncontent-length: ${jpeg.length}\r\n\r\n`)
    response.write(jpeg)
    response.write('\r\n')
    response.uncork()
  })
  if (!leave)
    throw new ThatdamError(
      'TOO_MANY_REQUESTS',
      `${MJPEG_VIEWERS_MAX} people look at this camera without WebRTC already. Close one of those pages.`,
    )
  response.writeHead(200, {
    'content-type': `multipart/x-mixed-replace; boundary=${BOUNDARY}`,
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
  })
  response.flushHeaders()
  return new Promise((resolve) => {
    response.once('close', () => {
      leave()
      resolve()
    })
  })
}
