import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { parseToken } from '@thatdam/control/token'
import { ThatdamError } from '@thatdam/protocol/errors'
import { register } from '../register/register.ts'
import { isRingToken, joinByRingToken } from '../register/ring-token.ts'
import type { CliCommand, CliContext } from './context.ts'

const HELP = `thatdam register: joins this machine to the organisation that made the join token.

  --token TOKEN        the token; "-" reads it from standard input
  --token-file FILE    reads the token from a file
  --url ADDRESS        address of the cloud app (or CLOUD_CONTROL_URL)
  --allow-index DIR    folder within which the cloud may choose what is indexed; may be repeated
                       (unset: your home folder and the usual places of drives)
  --starts-next        says nothing of starting the agent: an installer does that next

Without --token and --token-file the token is read from THATDAM_TOKEN.`

export const run: CliCommand = async (argv, context) => {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      token: { type: 'string' },
      'token-file': { type: 'string' },
      url: { type: 'string' },
      'allow-index': { type: 'string', multiple: true },
      'starts-next': { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h' },
    },
  })
  scrubArguments()
  if (values.help) {
    context.out(HELP)
    return 0
  }
  const address = values.url ?? context.env.cloudUrl
  const cloudUrl = address === null ? null : addressOf(address)
  const token = parseToken(await readToken(values.token, values['token-file'], context))
  const allowedRoots = values['allow-index']?.map((path) => resolve(path)) ?? null
  const { env } = context
  const outcome = isRingToken(token)
    ? await joinByRingToken({ env, url: cloudUrl, token, allowedRoots })
    : await register({ env, url: cloudUrl ?? addressOf(null), token, allowedRoots })
  context.out(
    outcome.kind === 'same'
      ? `This machine is registered with ${outcome.organisation} already, as ${outcome.nodeId}. It stays the same node.`
      : `Registered with ${outcome.organisation} as ${outcome.nodeId}.`,
  )
  if (outcome.waitsFor !== null) {
    context.out(`It comes into the ring that ${outcome.waitsFor} founded as soon as a machine there lets it in; both have to run for that.`)
  }
  if (!outcome.running && !values['starts-next']) context.out('Start it with: thatdam run')
  return 0
}

/** What other users see in the process list no longer holds the token. Use standard input or a file where even a moment is too long. */
function scrubArguments(): void {
  process.title = 'thatdam register'
  process.argv.splice(3)
}

async function readToken(given: string | undefined, file: string | undefined, context: CliContext): Promise<string> {
  if (file !== undefined) {
    return await readFile(file, 'utf8').catch((error: unknown) => {
      throw new ThatdamError(
        'BAD_REQUEST',
        `The token file ${file} cannot be read (${(error as NodeJS.ErrnoException).code ?? String(error)}).`,
        { cause: error },
      )
    })
  }
  if (given === '-') {
    let text = ''
    for await (const chunk of context.stdin) {
      text += String(chunk)
      if (text.length > 4096) break
    }
    return text
  }
  return given ?? context.env.token ?? ''
}

function addressOf(text: string | null): string {
  if (text === null) {
    throw new ThatdamError('BAD_REQUEST', 'The address of the cloud app is missing. Add --url, as in the command that “Add machine” shows.')
  }
  const url = URL.parse(text.includes('://') ? text : `http://${text}`)
  if (!url || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new ThatdamError(
      'BAD_REQUEST',
      `“${text}” is not an address of a cloud app, such as https://thatdam.example or http://192.168.1.20:3000.`,
    )
  }
  return url.origin
}
