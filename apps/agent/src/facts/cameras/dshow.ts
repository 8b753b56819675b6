import type { CameraFacts } from '@thatdam/protocol/facts'
import { parseDshowCameras, parseDshowOptions } from '../parse/dshow.ts'
import { runTool } from '../tool.ts'
import { cameraId } from './camera-id.ts'

/** DirectShow cameras. The alternative name holds vendor, product and serial or port, and is what ffmpeg opens. */
export async function discoverDshow(ffmpegPath: string): Promise<CameraFacts[]> {
  const list = await runTool(ffmpegPath, ['-hide_banner', '-nostdin', '-f', 'dshow', '-list_devices', 'true', '-i', 'dummy'])
  const cameras = dshowFacts(list.stderr)
  return await Promise.all(
    cameras.map(async (camera) => {
      const args = ['-hide_banner', '-nostdin', '-f', 'dshow', '-list_options', 'true', '-i', `video=${camera.locator}`]
      return { ...camera, modes: parseDshowOptions((await runTool(ffmpegPath, args)).stderr).slice(0, 256) }
    }),
  )
}

export function dshowFacts(listing: string): CameraFacts[] {
  return parseDshowCameras(listing).map(({ name, alternativeName }) => ({
    cameraId: cameraId('dshow', devicePart(alternativeName)),
    kind: 'dshow',
    name,
    locator: alternativeName,
    modes: [],
  }))
}

/** `@device_pnp_\\?\usb#vid_04f2&pid_b5ee&mi_00#6&244de000&0&0000#{class}\global` → the part between the prefix and the class. */
function devicePart(alternativeName: string): string {
  const pnp = /^@device_pnp_\\\\\?\\(.+)#\{[0-9a-f-]+\}/i.exec(alternativeName)
  return pnp?.[1] ?? alternativeName.replace(/^@device_/, '')
}
