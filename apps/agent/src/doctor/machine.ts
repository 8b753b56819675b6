import os from 'node:os'
import path from 'node:path'
import { WINGET_FFMPEG } from '@thatdam/media/ffmpeg/missing'
import { findTool, isExecutable, readSmall, runTool, type ToolResult } from '../facts/tool.ts'

/** How long one tool may take unless its check says another. */
const TOOL_LIMIT_MS = 3_000

/** What a check may ask of the machine. The tests of other systems' checks answer in its place. */
export interface Machine {
  readonly platform: NodeJS.Platform
  readonly hostname: string
  /** Root, or on Windows unknown: false. */
  readonly isRoot: boolean
  readonly user: string
  readonly home: string
  /** Runs a tool, argv only. `missing` when it is not here; `timedOut` when it hung and was ended. */
  run(tool: string, args: readonly string[], limitMs?: number): Promise<ToolResult>
  has(tool: string): boolean
  /** A small file; null when it is not there or not ours to read. */
  read(file: string): Promise<string | null>
}

const MISSING: ToolResult = { code: null, stdout: '', stderr: '', missing: true, timedOut: false }
const locate = (tool: string) => (path.isAbsolute(tool) ? (isExecutable(tool) ? tool : null) : findTool([tool]))

export const thisMachine: Machine = {
  platform: process.platform,
  hostname: os.hostname(),
  isRoot: process.getuid?.() === 0,
  user: userName(),
  home: os.homedir(),
  run: async (tool, args, limitMs = TOOL_LIMIT_MS) => {
    const file = locate(tool)
    return file ? await runTool(file, args, limitMs) : MISSING
  },
  has: (tool) => locate(tool) !== null,
  read: readSmall,
}

/** A user id without an entry (in containers) has no name. */
function userName(): string {
  try {
    return os.userInfo().username
  } catch {
    return String(process.getuid?.() ?? '')
  }
}

export interface Watched {
  readonly machine: Machine
  /** Names of the tools that hung and were ended. */
  readonly cut: ReadonlySet<string>
}

/** The same machine for one check: no tool outlives the check's deadline, and those that had to be ended are remembered. */
export function watched(machine: Machine, endsAtMs: number): Watched {
  const cut = new Set<string>()
  const run: Machine['run'] = async (tool, args, limitMs = TOOL_LIMIT_MS) => {
    const result = await machine.run(tool, args, Math.max(1, Math.min(limitMs, endsAtMs - performance.now())))
    if (result.timedOut) cut.add(path.basename(tool))
    return result
  }
  return { machine: { ...machine, run }, cut }
}

/** How this system gets a package. */
export function installCommand(machine: Machine, name: 'ffmpeg' | 'perl'): string {
  if (machine.platform === 'darwin') return `brew install ${name}`
  if (machine.platform === 'win32') return name === 'ffmpeg' ? WINGET_FFMPEG : 'winget install --id StrawberryPerl.StrawberryPerl -e'
  if (machine.has('apt-get')) return `sudo apt-get install -y ${name}`
  if (machine.has('dnf')) return `sudo dnf install -y ${name === 'ffmpeg' ? 'ffmpeg-free' : name}`
  if (machine.has('pacman')) return `sudo pacman -S ${name}`
  return machine.has('zypper') ? `sudo zypper install ${name}` : `Install ${name} with your package manager.`
}
