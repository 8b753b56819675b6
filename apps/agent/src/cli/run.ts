import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { outliveReaders } from '@thatdam/protocol/output'
import { takeFirstSteps } from '../agent/first-steps.ts'
import type { Env } from '../env.ts'
import { type Log, makeLog } from '../log.ts'
import { LogFile } from '../runtimes/log-file.ts'
import type { CliCommand } from './context.ts'

const STOP_LIMIT_MS = 15_000
const HELP = `thatdam run: runs this machine's agent in the foreground until Ctrl-C or SIGTERM.
Settings come from the environment: STATE_DIR, CAS_ROOT, INDEX_PATHS (";"-separated), SERVICE_PORT, LOG_LEVEL, LOG_FORMAT, FFMPEG_PATH …`

export const run: CliCommand = async (argv, context) => {
  const { values } = parseArgs({ args: [...argv], options: { help: { type: 'boolean', short: 'h' } } })
  if (values.help) {
    context.out(HELP)
    return 0
  }
  outliveReaders(process.stdout, process.stderr)
  const { env } = context
  const file = new LogFile(join(env.stateDir, 'logs', 'agent.log'))
  const log = makeLog({ level: env.logLevel, format: env.logFormat, write: (line) => process.stderr.write(line), file })
  try {
    return await runUntilEnd(env, log)
  } catch (error) {
    // launchd and the task scheduler throw away what is said to a terminal, which hears it anyway: the reason stands in the file too.
    makeLog({ level: env.logLevel, format: env.logFormat, write: () => undefined, file }).error('the agent ended', error)
    throw error
  }
}

async function runUntilEnd(env: Env, log: Log): Promise<number> {
  const ended = waitForEnd((message) => log.info(message)).then(() => 'end' as const)
  process.on('unhandledRejection', (error) => log.error('a promise was rejected that nobody waited for', error))
  for (;;) {
    const again = Promise.withResolvers<'again'>()
    const first = await takeFirstSteps({ env, log })
    // The first poll has left: now the rest is loaded.
    const [{ Agent }, { SERVICES }] = [await import('../agent/agent.ts'), await import('../services/registry.ts')]
    const agent = await Agent.start({ env, log, services: SERVICES, restart: () => again.resolve('again') }, first)
    log.info(`agent ${agent.nodeId} runs as process ${process.pid}; console: ${agent.consoleUrls.join('  ')}`)
    const why = await Promise.race([ended, again.promise])
    // Whatever keeps it longer, a service manager starts it anew.
    const limit = setTimeout(() => process.exit(1), STOP_LIMIT_MS).unref()
    await agent.stop()
    clearTimeout(limit)
    log.info('stopped')
    if (why === 'end') return 0
  }
}

/** Resolves at the first Ctrl-C or SIGTERM; a second one ends the program at once. On Windows closing its window counts too. */
function waitForEnd(say: (message: string) => void): Promise<void> {
  return new Promise((resolve) => {
    let asked = false
    const end = (signal: NodeJS.Signals) => {
      if (asked) process.exit(130)
      asked = true
      say(`${signal}: stops everything in order`)
      resolve()
    }
    process.on('SIGINT', end)
    process.on('SIGTERM', end)
    // Elsewhere an agent outlives its terminal; Windows ends what is left of it about ten seconds after its window was closed.
    process.on('SIGHUP', process.platform === 'win32' ? end : () => {})
  })
}
