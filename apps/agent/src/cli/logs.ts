import { watch } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { ThatdamError } from '@thatdam/protocol/errors'
import { ServiceName } from '@thatdam/protocol/plan'
import { tail } from '../agent/commands.ts'
import type { CliCommand } from './context.ts'

const HELP = `thatdam logs [service]: the newest log lines of the agent, or of one service (indexer, camera-proxy, …).

  --follow, -f    goes on until Ctrl-C`

export const run: CliCommand = async (argv, context) => {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: { follow: { type: 'boolean', short: 'f' }, help: { type: 'boolean', short: 'h' } },
  })
  if (values.help) {
    context.out(HELP)
    return 0
  }
  const [name = 'agent'] = positionals
  if (name !== 'agent' && !ServiceName.safeParse(name).success) {
    throw new ThatdamError('BAD_REQUEST', `There is no service “${name}”. The names are: agent, ${ServiceName.options.join(', ')}.`)
  }
  const path = join(context.env.stateDir, 'logs', `${name}.log`)
  context.out((await tail(path)).trimEnd())
  if (values.follow) await follow(path, context.out)
  return 0
}

async function follow(path: string, out: (line: string) => void): Promise<never> {
  let position = (await stat(path)).size
  const more = async () => {
    const { size } = await stat(path)
    if (size < position) position = 0
    if (size === position) return
    const file = await open(path, 'r')
    const { buffer, bytesRead } = await file.read(Buffer.alloc(size - position), 0, size - position, position)
    await file.close()
    position += bytesRead
    out(buffer.subarray(0, bytesRead).toString('utf8').trimEnd())
  }
  let work = Promise.resolve()
  watch(path, () => {
    work = work.then(more).catch(() => {})
  })
  return await new Promise<never>(() => {})
}
