import { existsSync } from 'node:fs'
import { parseW32tm } from './parse/time-service.ts'
import { runTool, type ToolResult } from './tool.ts'

/** systemd-timesyncd leaves this mark once the clock has followed a time server in this boot. */
const MARK = '/run/systemd/timesync/synchronized'
const LOOK_MS = 600_000

/** Tells whether this system's clock follows a time server, as far as the system says so; looked up seldom, behind the question. */
export function clockWatch(): () => boolean {
  let known = false
  let nextMs = -Infinity
  return () => {
    const nowMs = performance.now()
    if (nowMs < nextMs) return known
    nextMs = nowMs + LOOK_MS
    void isSynchronised().then((value) => (known = value))
    return known
  }
}

export async function isSynchronised(
  platform: NodeJS.Platform = process.platform,
  run: (command: string, args: readonly string[]) => Promise<Pick<ToolResult, 'code' | 'stdout'>> = runTool,
): Promise<boolean> {
  // macOS sets its clock by itself unless its owner forbids it, which only root may ask.
  if (platform === 'darwin') return true
  if (platform === 'win32') {
    // Not the question for its source: that one is answered without complaint by a clock that follows nobody.
    const { code, stdout } = await run('w32tm', ['/query', '/status'])
    return parseW32tm(stdout, code)?.synchronized ?? false
  }
  if (existsSync(MARK)) return true
  const { code, stdout } = await run('timedatectl', ['show', '--property=NTPSynchronized', '--value'])
  return code === 0 && stdout.trim() === 'yes'
}
