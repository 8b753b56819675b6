import { existsSync } from 'node:fs'

const MANAGERS: readonly (readonly [program: string, command: string])[] = [
  ['/usr/bin/apt-get', 'sudo apt-get install -y ffmpeg'],
  ['/usr/bin/dnf', 'sudo dnf install -y ffmpeg-free'],
  ['/usr/bin/pacman', 'sudo pacman -S ffmpeg'],
  ['/usr/bin/zypper', 'sudo zypper install ffmpeg'],
]

/** For the whole machine: an agent that runs as the system's account sees nothing of what is installed for one person. */
export const WINGET_FFMPEG = 'winget install --id Gyan.FFmpeg -e --scope machine (as administrator)'

function command(platform: NodeJS.Platform, has: (program: string) => boolean): string | null {
  if (platform === 'darwin') return 'brew install ffmpeg'
  if (platform === 'win32') return WINGET_FFMPEG
  return MANAGERS.find(([program]) => has(program))?.[1] ?? null
}

/** What a person reads where ffmpeg is wanted and not there, with this system's command. The agent looks for it every minute. */
export function ffmpegMissing(platform: NodeJS.Platform = process.platform, has: (program: string) => boolean = existsSync): string {
  const install = command(platform, has)
  const how = install === null ? 'Install it with your package manager' : `Install it with: ${install}`
  return `ffmpeg is not installed on this machine. ${how}; it is then found within a minute.`
}
