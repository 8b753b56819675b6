import fs from 'node:fs'
import { LocalState } from '@thatdam/protocol/local'
import { callAgent } from '../cli/local-client.ts'
import { statePaths } from '../state/paths.ts'
import { reasonOf } from './finding.ts'

/** The state of the agent that runs here; null when none answers. */
export async function readRunningAgent(stateDir: string): Promise<LocalState | null> {
  try {
    const parsed = LocalState.safeParse(await callAgent(stateDir, 'GET', '/local/state'))
    return parsed.success ? parsed.data : null
  } catch {
    return null // it answers something else, or its file is damaged: the agent's check says that it does not answer
  }
}

/** The process that holds the state directory; null when there is none, or it is gone. */
export async function readAgentPid(stateDir: string): Promise<number | null> {
  const text = await fs.promises.readFile(statePaths(stateDir).pid, 'utf8').catch(() => '')
  const pid = Number.parseInt(text, 10)
  return pid > 0 && isAlive(pid) ? pid : null
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return reasonOf(error) === 'EPERM'
  }
}
