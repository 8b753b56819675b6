import { existsSync, realpathSync, statSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import type { ContainerCreateOptions, DeviceMapping, MountSettings } from 'dockerode'
import type { ServiceConfig } from '@thatdam/protocol/local'
import type { Quotas } from '@thatdam/protocol/plan'
import { programRoots, runtimeEntry } from '../../program.ts'
import { programOf } from '../exec/runtime.ts'
import { openPaths, type OpenPath } from '../open-paths.ts'
import { BACKGROUND, backgroundCores, memoryMaxBytes, type LifeRequest } from '../runtime.ts'
import type { DockerOptions } from './wire.ts'

/** On every container of ours: whose it is, by the state directory. After a crash the next agent finds what was left by it. */
export const AGENT_LABEL = 'thatdam.agent'
export const SERVICE_LABEL = 'thatdam.service'

const PROCESSES_MAX = 1024
const SHARES = { background: 128, normal: 1024, capture: 4096 } as const
/** The agent as root reads media of all users, and the console starts its database as another user. */
const ROOT_CAPABILITIES = ['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'KILL', 'SETGID', 'SETUID']
/** Of the machine, not of the image. */
const NOT_PASSED_ON = new Set(
  'PATH HOME USER LOGNAME SHELL PWD OLDPWD SHLVL TMPDIR HOSTNAME LD_LIBRARY_PATH LD_PRELOAD XDG_RUNTIME_DIR NODE_CHANNEL_FD'.split(' '),
)

/** The container of one life. The paths inside are those outside, so that a configuration means the same in both. */
export function containerSpec(options: DockerOptions, request: LifeRequest): ContainerCreateOptions {
  const { context, spec } = request
  const name = context.planned.name
  const { cwd, args } = programOf(request)
  const devices = devicesOf(request.config)
  const memory = memoryMaxBytes(spec)
  return {
    name: `thatdam-${options.agentLabel}-${name}`,
    Image: options.image,
    Labels: { [AGENT_LABEL]: options.agentLabel, [SERVICE_LABEL]: name },
    Entrypoint: [process.execPath],
    Cmd: ['--import', runtimeEntry('docker', 'stdio-channel'), ...args],
    WorkingDir: cwd,
    Env: environmentOf(options.environment),
    ...(process.getuid && process.getgid ? { User: `${process.getuid()}:${process.getgid()}` } : {}),
    AttachStdin: true,
    AttachStdout: true,
    AttachStderr: true,
    OpenStdin: true,
    // The stream's end is the container's end of input: it then stops in order.
    StdinOnce: true,
    Tty: false,
    HostConfig: {
      // Services and the agent speak over 127.0.0.1.
      NetworkMode: 'host',
      Mounts: mountsOf(openPaths({ config: request.config, program: [...programRoots(), process.execPath, cwd] })),
      ReadonlyRootfs: true,
      Tmpfs: { '/tmp': 'rw,nosuid,nodev,mode=1777' },
      Memory: memory,
      MemorySwap: memory,
      CpuShares: BACKGROUND.has(name) ? SHARES.background : name === 'capture-daemon' ? SHARES.capture : SHARES.normal,
      ...(BACKGROUND.has(name) ? { NanoCpus: backgroundNanoCpus(context.plan) } : {}),
      PidsLimit: PROCESSES_MAX,
      CapDrop: ['ALL'],
      CapAdd: process.getuid?.() === 0 ? ROOT_CAPABILITIES : [],
      SecurityOpt: ['no-new-privileges'],
      GroupAdd: groupsOf(devices),
      Devices: devices,
      Init: true,
      AutoRemove: false,
      // We start it again, by the same rules as everywhere.
      RestartPolicy: { Name: 'no' },
      LogConfig: { Type: 'none', Config: {} },
    },
  }
}

/** One container's part of what background work may use. Together they keep within it, as each has an equal part. */
export function backgroundNanoCpus(plan: { readonly quotas: Quotas; readonly services: readonly { readonly name: string }[] }): number {
  const sharing = plan.services.filter(({ name }) => (BACKGROUND as ReadonlySet<string>).has(name)).length
  const cores = backgroundCores(availableParallelism(), plan.quotas) / Math.max(1, sharing)
  return Math.max(10_000_000, Math.round(cores * 1e9))
}

function mountsOf(paths: readonly OpenPath[]): MountSettings[] {
  return paths.map(({ path, writable, hidden }) => ({
    Type: 'bind',
    Source: hidden ? '/dev/null' : path,
    Target: path,
    ReadOnly: !writable,
  }))
}

function environmentOf(environment: NodeJS.ProcessEnv): string[] {
  const passed = Object.entries(environment).filter(([name, value]) => value !== undefined && !NOT_PASSED_ON.has(name))
  return [...passed.map(([name, value]) => `${name}=${value ?? ''}`), 'HOME=/tmp']
}

/** Cameras of the service, and the graphics of those that run ffmpeg. */
function devicesOf(config: ServiceConfig): DeviceMapping[] {
  const cameras = config.cameras.map(({ locator }) => locator).filter((path) => path.startsWith('/dev/'))
  const graphics = config.ffmpegPath === null ? [] : ['renderD128', 'renderD129'].map((name) => join('/dev/dri', name))
  const there = [...cameras, ...graphics].filter((path) => existsSync(path))
  return there.map((path) => ({ PathOnHost: realpathSync(path), PathInContainer: path, CgroupPermissions: 'rw' }))
}

function groupsOf(devices: readonly DeviceMapping[]): string[] {
  const groups = [...(process.getgroups?.() ?? []), ...devices.map(({ PathOnHost }) => statSync(PathOnHost).gid)]
  return [...new Set(groups)].map(String)
}
