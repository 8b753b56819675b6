import fs from 'node:fs'
import path from 'node:path'
import { ThatdamError } from '@thatdam/protocol/errors'
import { LocalState } from '@thatdam/protocol/local'
import { callAgent } from '../cli/local-client.ts'
import { readIdentity } from '../state/identity.ts'
import { statePaths } from '../state/paths.ts'
import { fail, type Finding, ok, reasonOf, warn } from './finding.ts'

export async function checkStateDir(stateDir: string): Promise<Finding> {
  const name = 'State directory'
  if (!fs.existsSync(stateDir))
    return warn(name, `${stateDir} is not there yet: nothing has run here.`, 'thatdam run, or thatdam register first')
  const probe = path.join(stateDir, `.doctor-${process.pid}`)
  try {
    await fs.promises.writeFile(probe, 'x', { mode: 0o600 })
    await fs.promises.rm(probe)
    return ok(name, `${stateDir} can be written.`)
  } catch (error) {
    const fix =
      reasonOf(error) === 'ENOSPC'
        ? 'Free some space on that disk.'
        : `sudo chown -R ${owner()} '${stateDir}', or run the agent as the user who owns it.`
    return fail(name, `${stateDir} cannot be written (${reasonOf(error)}).`, fix)
  }
}

const owner = () => `${process.getuid?.() ?? 0}:${process.getgid?.() ?? 0}`

export async function checkIdentity(stateDir: string): Promise<Finding> {
  const name = 'Identity'
  const file = statePaths(stateDir).identity
  try {
    const identity = await readIdentity(file)
    if (!identity) return warn(name, 'This machine has no identity yet: it gets one at its first start.', 'thatdam run')
    const mode = fs.statSync(file).mode & 0o777
    if (process.platform !== 'win32' && (mode & 0o077) !== 0)
      return fail(name, `${file} holds this machine’s key and others may read it (mode ${mode.toString(8)}).`, `chmod 600 '${file}'`)
    return ok(name, `${identity.nodeId}, key readable by its owner only.`)
  } catch (error) {
    if (error instanceof ThatdamError) return fail(name, error.message, `ls -l '${file}'`)
    return fail(name, `${file} cannot be read (${reasonOf(error)}).`, `Run as the user who owns ${stateDir}.`)
  }
}

/** The state of the agent that runs here; null when none answers. */
export async function readRunningAgent(stateDir: string): Promise<LocalState | null> {
  try {
    const parsed = LocalState.safeParse(await callAgent(stateDir, 'GET', '/local/state'))
    return parsed.success ? parsed.data : null
  } catch {
    return null // it answers something else, or its file is damaged: `checkAgent` says that it does not answer
  }
}

export function checkAgent(stateDir: string, running: LocalState | null): Finding {
  const name = 'Agent'
  if (running) {
    const failed = running.plan.services.filter((service) => service.state === 'failed')
    if (failed.length > 0) {
      const parts = failed.map((service) => `${service.name} (${service.reason})`).join(', ')
      return fail(name, `The agent runs, but these parts failed: ${parts}.`, `thatdam logs ${failed[0]?.name ?? ''}`)
    }
    return ok(name, `Runs as ${running.node.role}, version ${running.node.agentVersion}.`)
  }
  const pid = readPid(statePaths(stateDir).pid)
  if (pid !== null && isAlive(pid))
    return fail(
      name,
      `Process ${pid} holds ${stateDir} but does not answer: it is starting, or hangs.`,
      `Wait a minute; then restart it (kill ${pid}, thatdam run).`,
    )
  return warn(name, 'No agent runs on this state directory.', 'thatdam run, or start its service: systemctl start thatdam')
}

function readPid(file: string): number | null {
  try {
    return Number.parseInt(fs.readFileSync(file, 'utf8'), 10) || null
  } catch {
    return null
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return reasonOf(error) === 'EPERM'
  }
}
