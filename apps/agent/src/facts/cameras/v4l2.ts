import fs from 'node:fs'
import path from 'node:path'
import type { CameraFacts, VideoMode } from '@thatdam/protocol/facts'
import { capturesVideo, parseFfmpegV4l2Formats, parseV4l2Formats } from '../parse/v4l2-formats.ts'
import { findTool, listFolder, readSmall, runTool } from '../tool.ts'
import { cameraId } from './camera-id.ts'

/** Decoders, scalers and raw CSI receivers of the Pi: V4L2 nodes, but no cameras (CSI cameras come by libcamera). */
const NOT_A_CAMERA = /^(bcm2835-(codec|isp)|bcm2835_mmal|unicam|rp1-cfe|pispbe|rpivid|rpi-hevc|hantro|rkisp|rkvdec)/

/** A V4L2 device node that can be a camera, as sysfs tells it; nothing was opened yet. */
export type V4l2Node = {
  /** /dev/videoN: changes from boot to boot, so it is no identity. */
  node: string
  name: string
  /** Host controller, port path and interface, as udev's path_id has them: `0000:00:14.0-usb-3.1-1.0`. */
  busPath: string
  serial: string | null
  /** Among the nodes of one device: 0 captures, others mostly carry metadata. */
  index: number
}

/** `root` is `/`, or a folder with sysfs below it. */
export async function listV4l2Nodes(root = '/'): Promise<V4l2Node[]> {
  const folder = path.join(root, 'sys/class/video4linux')
  const names = (await listFolder(folder)).filter((name) => /^video\d+$/.test(name))
  const nodes = await Promise.all(names.map((name) => describe(folder, name)))
  return nodes.filter((node) => !NOT_A_CAMERA.test(node.name))
}

async function describe(folder: string, videoName: string): Promise<V4l2Node> {
  const entry = path.join(folder, videoName)
  const device = await fs.promises.realpath(path.join(entry, 'device')).catch(() => null)
  const name = (await readSmall(path.join(entry, 'name'))) ?? videoName
  return {
    node: `/dev/${videoName}`,
    name,
    busPath: device ? busPathOf(device) : `virtual-${name}`,
    serial: device ? ((await readSmall(path.join(path.dirname(device), 'serial'))) ?? null) : null,
    index: Number((await readSmall(path.join(entry, 'index'))) ?? 0),
  }
}

/**
 * Port of a sysfs device folder, without the bus numbers that are dealt out at boot (`usb1`, the `1-` of `1-3.1:1.0`).
 * Shape of udev's path_id; computed from sysfs so that it is the same where no udev runs.
 */
export function busPathOf(device: string): string {
  const parts = device.split('/')
  const usbAt = parts.findIndex((part) => /^usb\d+$/.test(part))
  if (usbAt < 0) return parts.slice(-2).join('-')
  const controller = parts[usbAt - 1] ?? 'usb'
  const port = /^\d+-([\d.]+)(?::([\d.]+))?$/.exec(parts.at(-1) ?? '')
  return [controller, 'usb', port?.[1], port?.[2]].filter(Boolean).join('-')
}

/** Cameras with their modes. A node that may not be opened for want of rights is kept, without modes, when its device says that it captures. */
export async function discoverV4l2(ffmpegPath: string | null, root = '/'): Promise<CameraFacts[]> {
  const nodes = await listV4l2Nodes(root)
  const control = findTool(['v4l2-ctl'])
  const found = await Promise.all(nodes.map(async (node) => ({ node, modes: await probe(node, control, ffmpegPath, root) })))
  const links = await byPathLinks(root)
  const cameras = found.flatMap(({ node, modes }): CameraFacts[] => {
    if (!modes) return []
    const id = cameraId('v4l2', node.busPath, node.serial)
    return [{ cameraId: id, kind: 'v4l2', name: node.name, locator: links.get(node.node) ?? node.node, modes: modes.slice(0, 256) }]
  })
  return distinct(cameras)
}

/** Null: this node captures no video. */
async function probe(node: V4l2Node, control: string | null, ffmpegPath: string | null, root: string): Promise<VideoMode[] | null> {
  try {
    await fs.promises.access(path.join(root, node.node), fs.constants.R_OK | fs.constants.W_OK)
  } catch {
    return node.index === 0 ? [] : null
  }
  if (control) {
    const info = await runTool(control, ['-d', node.node, '--info'])
    if (info.code === 0 && !capturesVideo(info.stdout)) return null
    const formats = await runTool(control, ['-d', node.node, '--list-formats-ext'])
    if (formats.code === 0) return parseV4l2Formats(formats.stdout)
  }
  if (!ffmpegPath) return node.index === 0 ? [] : null
  const listed = await runTool(ffmpegPath, ['-hide_banner', '-nostdin', '-f', 'v4l2', '-list_formats', 'all', '-i', node.node])
  if (/Not a video capture device/i.test(listed.stderr)) return null
  const modes = parseFfmpegV4l2Formats(listed.stderr)
  return modes.length > 0 || node.index === 0 ? modes : null
}

/** /dev/videoN → the link that stays the same over boots. */
async function byPathLinks(root: string): Promise<Map<string, string>> {
  const links = new Map<string, string>()
  for (const folder of ['dev/v4l/by-id', 'dev/v4l/by-path']) {
    for (const name of await listFolder(path.join(root, folder))) {
      const target = await fs.promises.realpath(path.join(root, folder, name)).catch(() => null)
      // by-path is read last and wins: two cameras of one model may share a serial, hence a by-id name.
      if (target) links.set(`/${path.relative(root, target)}`, `/${folder}/${name}`)
    }
  }
  return links
}

/** Two nodes of one port and interface that both capture (a camera with two sensors, virtual devices of one name): the node's name tells them apart. */
function distinct(cameras: readonly CameraFacts[]): CameraFacts[] {
  const seen = new Set<string>()
  return cameras.map((camera) => {
    const id = seen.has(camera.cameraId) ? cameraId(camera.cameraId, path.basename(camera.locator)) : camera.cameraId
    seen.add(id)
    return { ...camera, cameraId: id }
  })
}
