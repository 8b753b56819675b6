import { execFile } from 'node:child_process'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import type { Command } from '@thatdam/protocol/poll'
import { mainEntry } from '../program.ts'

const ANSWER_MAX_BYTES = 60_000
const DOCTOR_LIMIT_MS = 60_000

/** What the owner asked for on the cloud's page, as text. The doctor runs in a process of its own: the agent stays small. */
export async function runCommand(command: Command, logsDir: string, environment: NodeJS.ProcessEnv, signal: AbortSignal): Promise<string> {
  if (command.name === 'report') return 'A fresh report was sent.'
  return await (command.name === 'logs' ? tail(join(logsDir, 'agent.log')) : askDoctor(environment, signal))
}

function askDoctor(environment: NodeJS.ProcessEnv, signal: AbortSignal): Promise<string> {
  return new Promise((resolve) => {
    const options = { signal, timeout: DOCTOR_LIMIT_MS, env: environment, maxBuffer: 1024 * 1024 }
    execFile(process.execPath, [mainEntry(), 'doctor'], options, (error, stdout, stderr) =>
      resolve(`${stdout}${stderr}`.trim() || `The doctor gave no answer${error ? `: ${error.message}` : '.'}`),
    )
  })
}

/** The end of a log, whole lines. */
export async function tail(path: string, bytesMax = ANSWER_MAX_BYTES): Promise<string> {
  const file = await open(path, 'r').catch(() => null)
  if (!file) return `There is no log ${path} yet.`
  try {
    const { size } = await file.stat()
    const length = Math.min(size, bytesMax)
    const { buffer } = await file.read(Buffer.alloc(length), 0, length, size - length)
    const text = buffer.toString('utf8')
    return length < size ? text.slice(text.indexOf('\n') + 1) : text
  } finally {
    await file.close()
  }
}
