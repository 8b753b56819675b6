import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import type { NodeFacts } from '@thatdam/protocol/facts'
import { discoverCameras } from './cameras/discover.ts'
import { gatherStores } from './disks.ts'
import { probeFfmpeg } from './encoders.ts'
import { readGivenFacts } from './given.ts'
import { gatherNetwork } from './network.ts'
import { isAlwaysOn, powerClassOf } from './power-class.ts'
import { gatherDarwin } from './system/darwin.ts'
import { gatherLinux } from './system/linux.ts'
import type { SystemFacts } from './system/system.ts'
import { gatherWindows } from './system/win32.ts'
import { findTool, isExecutable } from './tool.ts'

export type FactsOptions = {
  agentVersion: string
  bootCounter: number
  /** Folders of the content-addressed store whose disks are told. */
  storeRoots: readonly string[]
  indexPaths: readonly string[]
  consolePort: number
  consoleBind: 'loopback' | 'lan'
  /** FFMPEG_PATH as the owner gave it; null: PATH decides. */
  ffmpegPath: string | null
  /** TEST_CAMERAS: names of the `test:` cameras to add. */
  testCameras: readonly string[]
  /** Where found encoders are remembered, e.g. STATE_DIR/encoders.json; null: tried each time. */
  encoderCacheFile: string | null
  /** FACTS_FILE: a file of facts that replace what was gathered. Null: none. */
  factsFile: string | null
}

/** All facts of this machine, gathered side by side. A tool that is missing, fails or hangs (5 s) leaves its fact empty; it never throws for one. @throws ThatdamError when FACTS_FILE cannot be used. */
export async function gatherFacts(options: FactsOptions): Promise<NodeFacts> {
  const ffmpeg = findFfmpeg(options.ffmpegPath)
  const [given, system, encoding, cameras, network, stores] = await Promise.all([
    options.factsFile === null ? {} : readGivenFacts(options.factsFile),
    gatherSystem(),
    ffmpeg ? probeFfmpeg(ffmpeg, options.encoderCacheFile) : { ffmpegVersion: null, encoders: [] },
    discoverCameras({ ffmpegPath: ffmpeg, testCameras: options.testCameras }),
    gatherNetwork(),
    gatherStores(options.storeRoots),
  ])
  const cpus = os.cpus()
  const ramBytes = system.ramBytes ?? os.totalmem()
  return {
    version: 1,
    hostname: os.hostname().slice(0, 255),
    os: supportedOs(),
    osName: system.osName,
    arch: process.arch === 'arm64' ? 'arm64' : 'x64',
    model: system.model,
    cpuCores: Math.min(1024, Math.max(1, cpus.length, os.availableParallelism())),
    cpuModel: system.cpuModel ?? cpus[0]?.model.trim() ?? 'unknown',
    ramBytes,
    stores,
    hasDocker: hasDocker(),
    hasNode: findTool(['node']) !== null,
    hasFfmpeg: ffmpeg !== null,
    ...encoding,
    cameras,
    gpus: system.gpus,
    netInterfaces: network.netInterfaces,
    indexPaths: options.indexPaths.slice(0, 64),
    uiAvailable: system.uiAvailable,
    powerClass: powerClassOf({ os: process.platform, model: system.model, ramBytes }),
    alwaysOn: isAlwaysOn({ hasBattery: system.battery !== null, portable: system.portable, sleeps: system.sleeps }),
    battery: system.battery,
    reachability: { lanAddresses: network.lanAddresses, consolePort: options.consolePort, consoleBind: options.consoleBind },
    bootCounter: options.bootCounter,
    agentVersion: options.agentVersion,
    ...given,
  }
}

/** FFMPEG_PATH when it names a program, else PATH. */
export function findFfmpeg(given: string | null): string | null {
  return given && isExecutable(given) ? path.resolve(given) : findTool(['ffmpeg'])
}

/** The ffprobe beside that ffmpeg, else the one on PATH. */
export function findFfprobe(ffmpegPath: string | null): string | null {
  const beside = ffmpegPath ? path.join(path.dirname(ffmpegPath), process.platform === 'win32' ? 'ffprobe.exe' : 'ffprobe') : null
  return beside && isExecutable(beside) ? beside : findTool(['ffprobe'])
}

async function gatherSystem(): Promise<SystemFacts> {
  if (process.platform === 'darwin') return await gatherDarwin()
  return process.platform === 'win32' ? await gatherWindows() : await gatherLinux()
}

function supportedOs(): NodeFacts['os'] {
  return process.platform === 'darwin' || process.platform === 'win32' ? process.platform : 'linux'
}

/** The program and a socket that this user may use; asking the daemon itself can hang for seconds. */
function hasDocker(): boolean {
  if (!findTool(['docker'])) return false
  const socket = process.platform === 'win32' ? '\\\\.\\pipe\\docker_engine' : '/var/run/docker.sock'
  try {
    fs.accessSync(socket, process.platform === 'win32' ? fs.constants.F_OK : fs.constants.R_OK | fs.constants.W_OK)
    return true
  } catch {
    return false
  }
}
