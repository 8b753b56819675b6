import * as z from 'zod/mini'
import { Bytes, CameraId } from './ids.ts'

/** Coarse class of a machine. `zero` never leads and never carries the console. */
export const PowerClass = z.enum(['zero', 'pi', 'win', 'mac', 'linux'])
export type PowerClass = z.infer<typeof PowerClass>

export const VideoMode = z.object({
  /** FourCC or codec as the device names it, lower case: mjpeg, yuyv422, h264, hevc. */
  codec: z.string(),
  width: z.number().check(z.int(), z.positive()),
  height: z.number().check(z.int(), z.positive()),
  fps: z.number().check(z.positive()),
})
export type VideoMode = z.infer<typeof VideoMode>

export const CameraFacts = z.object({
  cameraId: CameraId,
  kind: z.enum(['v4l2', 'csi', 'dshow', 'avfoundation', 'rtsp', 'screen', 'file', 'test']),
  name: z.string(),
  /** What the source opens, re-resolved at each open: a by-path link, an alternative name, a URL without its password. */
  locator: z.string(),
  modes: z.array(VideoMode).check(z.maxLength(256)),
})
export type CameraFacts = z.infer<typeof CameraFacts>

export const StoreRoot = z.object({ root: z.string(), diskTotalBytes: Bytes, diskFreeBytes: Bytes })
export type StoreRoot = z.infer<typeof StoreRoot>

export const NetInterface = z.object({
  name: z.string(),
  address: z.string(),
  family: z.enum(['ipv4', 'ipv6']),
  /** loopback, link-local (169.254/16, fe80::/10), container or VPN bridge, or a real LAN. */
  scope: z.enum(['loopback', 'link-local', 'virtual', 'vpn', 'lan']),
})
export type NetInterface = z.infer<typeof NetInterface>

/** What a node says about itself. Facts enter a plan only in coarse steps, never load. */
export const NodeFacts = z.object({
  version: z.literal(1),
  hostname: z.string().check(z.maxLength(255)),
  os: z.enum(['linux', 'darwin', 'win32']),
  /** For people: "Debian GNU/Linux 12 (bookworm)", "macOS 26.3". */
  osName: z.string(),
  arch: z.enum(['x64', 'arm64']),
  /** Board or machine model where the system tells one. */
  model: z.nullable(z.string()),
  cpuCores: z.number().check(z.int(), z.minimum(1), z.maximum(1024)),
  cpuModel: z.string(),
  ramBytes: Bytes,
  stores: z.array(StoreRoot).check(z.maxLength(32)),
  hasDocker: z.boolean(),
  hasNode: z.boolean(),
  hasFfmpeg: z.boolean(),
  ffmpegVersion: z.nullable(z.string()),
  /** ffmpeg encoder names that this machine was seen to open: libx264, h264_v4l2m2m, h264_nvenc … */
  encoders: z.array(z.string()).check(z.maxLength(64)),
  cameras: z.array(CameraFacts).check(z.maxLength(64)),
  gpus: z.array(z.object({ name: z.string(), vramBytes: z.nullable(Bytes) })).check(z.maxLength(16)),
  netInterfaces: z.array(NetInterface).check(z.maxLength(64)),
  indexPaths: z.array(z.string()).check(z.maxLength(64)),
  /** A desktop session with a screen is there. */
  uiAvailable: z.boolean(),
  powerClass: PowerClass,
  /** No battery and no sleep seen: may lead and hold copies. */
  alwaysOn: z.boolean(),
  battery: z.nullable(z.object({ percent: z.number().check(z.minimum(0), z.maximum(100)), charging: z.boolean() })),
  reachability: z.object({
    /** Addresses other machines of the LAN can use, best first. */
    lanAddresses: z.array(z.string()).check(z.maxLength(32)),
    consolePort: z.number().check(z.int(), z.minimum(0), z.maximum(65_535)),
    /** `loopback` until the owner's password is set. */
    consoleBind: z.enum(['loopback', 'lan']),
  }),
  /** Boots of the agent's state directory, counted at start. */
  bootCounter: z.number().check(z.int(), z.nonnegative()),
  agentVersion: z.string().check(z.maxLength(64)),
})
export type NodeFacts = z.infer<typeof NodeFacts>
