#!/usr/bin/env node
import { ThatdamError } from '@thatdam/protocol/errors'
import type { CliCommand, CliContext } from './cli/context.ts'
import { readEnv } from './env.ts'

/*
 * The one executable: composition root and dispatch. A command's code is loaded only when it is asked for, so that the running agent
 * carries nothing of the others.
 */
const COMMANDS: Readonly<Record<string, { readonly load: () => Promise<{ run: CliCommand }>; readonly does: string }>> = {
  run: { load: () => import('./cli/run.ts'), does: 'run this machine’s agent in the foreground' },
  register: { load: () => import('./cli/register.ts'), does: 'join the organisation that made a join token' },
  approve: { load: () => import('./cli/approve.ts'), does: 'compare six digits, to bring this machine into a ring near' },
  token: { load: () => import('./cli/token.ts'), does: 'make a join token of this ring, for another machine' },
  members: { load: () => import('./cli/members.ts'), does: 'the machines of this ring' },
  rekey: { load: () => import('./cli/rekey.ts'), does: 'give this machine a new key; the old one opens nothing any more' },
  leave: { load: () => import('./cli/leave.ts'), does: 'leave the ring, and go on alone' },
  status: { load: () => import('./cli/status.ts'), does: 'what runs here, and why' },
  logs: { load: () => import('./cli/logs.ts'), does: 'the newest log lines of the agent or one service' },
  doctor: { load: () => import('./cli/doctor.ts'), does: 'look for what is wrong, and say what to do' },
  'recovery-key': {
    load: () => import('./cli/recovery-key.ts'),
    does: 'make the owner’s printed key, or use it: so that two rings become one',
  },
  password: { load: () => import('./cli/password.ts'), does: 'set or reset the owner’s password of this machine’s console' },
  unregister: { load: () => import('./cli/unregister.ts'), does: 'forget the cloud; library and recordings stay' },
  version: { load: () => import('./cli/version.ts'), does: 'the version' },
}

const USAGE = `thatdam <command>

${Object.entries(COMMANDS)
  .map(([name, { does }]) => `  ${name.padEnd(12)} ${does}`)
  .join('\n')}

Each command has --help.
`

async function main(argv: readonly string[]): Promise<number> {
  const [name = 'help', ...rest] = argv
  if (name === 'help' || name === '--help' || name === '-h') {
    process.stdout.write(USAGE)
    return 0
  }
  const command = COMMANDS[name === '--version' ? 'version' : name]
  if (!command) {
    process.stderr.write(`thatdam: there is no command “${name}”.\n\n${USAGE}`)
    return 64
  }
  const context: CliContext = {
    env: readEnv(),
    out: (line) => process.stdout.write(`${line}\n`),
    err: (line) => process.stderr.write(`${line}\n`),
    // Made only for who reads it: the agent never does.
    get stdin() {
      return process.stdin
    },
  }
  const { run } = await command.load()
  return await run(rest, context)
}

/** What the system refused, for a person; null for anything else. */
function systemSentence(error: unknown): string | null {
  const { code, path } = (error ?? {}) as NodeJS.ErrnoException
  const where = path ?? 'the state directory'
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return `There is no disk space left for ${where}. Make room there and start again; nothing was lost.`
  if (code === 'EACCES' || code === 'EPERM')
    return `${where} may not be read or written by this user. Change its owner, or run as the user who owns it.`
  if (code === 'ERR_SQLITE_ERROR') return sqliteSentence(error as SqliteError)
  if (code === 'EROFS') return `${where} lies on a disk that is mounted read-only. Look at that disk, or set STATE_DIR to another folder.`
  return null
}

type SqliteError = Error & { readonly errcode?: number }

/** The low byte is the primary code: 13 SQLITE_FULL, 10 SQLITE_IOERR, which a full disk gives as well when the file must grow in memory first. */
function sqliteSentence({ errcode = 0, message }: SqliteError): string | null {
  const primary = errcode & 0xff
  if (primary !== 13 && primary !== 10) return null
  return `The disk of the state directory takes no more data (${message}). Make room there, or look at that disk with “thatdam doctor”, and start again; nothing was lost.`
}

main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error: unknown) => {
    const isUsage = error instanceof TypeError && String((error as NodeJS.ErrnoException).code).startsWith('ERR_PARSE_ARGS')
    const sentence = systemSentence(error)
    if (sentence !== null) process.stderr.write(`thatdam: ${sentence}\n`)
    else if (error instanceof ThatdamError || isUsage) process.stderr.write(`thatdam: ${error.message}\n`)
    else console.error('thatdam: something failed that should not have:', error)
    process.exit(isUsage ? 64 : 1)
  },
)
