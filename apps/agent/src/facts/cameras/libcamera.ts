import type { CameraFacts } from '@thatdam/protocol/facts'
import { parseLibcameraList } from '../parse/libcamera.ts'
import { findTool, runTool } from '../tool.ts'
import { cameraId } from './camera-id.ts'

/** CSI cameras of a Pi. Their path in the device tree names the connector. */
export async function discoverLibcamera(): Promise<CameraFacts[]> {
  const tool = findTool(['rpicam-hello', 'libcamera-hello'])
  return tool ? libcameraFacts((await runTool(tool, ['--list-cameras'])).stdout) : []
}

export function libcameraFacts(listing: string): CameraFacts[] {
  return parseLibcameraList(listing).map((camera) => ({
    cameraId: cameraId('csi', camera.path.replace(/^\/base\//, '')),
    kind: 'csi',
    name: camera.name,
    locator: camera.path,
    modes: camera.modes.slice(0, 256),
  }))
}
