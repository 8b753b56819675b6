import { existsSync } from 'node:fs'
import { runTool } from './tool.ts'

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

async function isSynchronised(): Promise<boolean> {
  // macOS sets its clock by itself unless its owner forbids it, which only root may ask.
  if (process.platform === 'darwin') return true
  if (process.platform === 'win32') return (await runTool('w32tm', ['/query', '/source'])).code === 0
  if (existsSync(MARK)) return true
  const { code, stdout } = await runTool('timedatectl', ['show', '--property=NTPSynchronized', '--value'])
  return code === 0 && stdout.trim() === 'yes'
}
