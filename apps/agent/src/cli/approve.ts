import { parseArgs } from 'node:util'
import { ThatdamError } from '@thatdam/protocol/errors'
import { LocalState } from '@thatdam/protocol/local'
import { Adoption } from '@thatdam/protocol/ring-door'
import { isUnderWay } from '../agent/adopt-views.ts'
import type { CliCommand, CliContext } from './context.ts'
import { askAgent } from './local-client.ts'
import { askYesOrNo } from './prompt.ts'

const HELP = `thatdam approve [CODE]: this machine goes into a ring near, when six digits are the same here and in the ring's console.

  CODE            says yes when this machine shows these digits, without asking
  --list          who waits for what, and changes nothing
  --cancel        says no
  --let-in NAME   on a machine of the ring: begins to let the machine of this name in, then goes on as above

Without CODE the digits are shown, and it asks whether they are the same.`

const LOOK_MS = 400
/** How long somebody at the ring gets to begin, and both sides to say yes. */
const [OPENS_MS_MAX, SETTLES_MS_MAX] = [600_000, 200_000]

export const run: CliCommand = async (argv, context) => {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      list: { type: 'boolean' },
      cancel: { type: 'boolean' },
      'let-in': { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  })
  if (values.help) {
    context.out(HELP)
    return 0
  }
  if (values.list) return list(context)
  if (values.cancel) return cancel(context)
  const code = positionals.length === 0 ? null : digitsOf(positionals.join(''))
  const name = values['let-in']
  if (name !== undefined) await letIn(context, name)
  return answer(context, await comparable(context, code), code)
}

async function list(context: CliContext): Promise<number> {
  const { ring, adoptions } = await stateOf(context)
  const lines = adoptions.map(({ nodeId, direction, state, code, reason }) => {
    const what = direction === 'in' ? `${nodeId} into this ring` : `this machine into the ring of ${nodeId}`
    return `${what}: ${state}${code === null || !/^(compare|confirmed)$/.test(state) ? '' : `, ${spaced(code)}`}${reason === '' ? '' : `. ${reason}`}`
  })
  for (const { nodeId, address } of ring.claimed ? ring.waiting : []) lines.push(`${nodeId} (${address}) waits to be let in`)
  for (const { nodeId, address } of ring.claimed ? [] : ring.others)
    lines.push(`this machine asks the ring of ${nodeId} (${address}) to let it in`)
  for (const line of lines) context.out(line)
  if (lines.length === 0) context.out('Nobody waits.')
  return 0
}

async function cancel(context: CliContext): Promise<number> {
  const open = (await stateOf(context)).adoptions.filter(isUnderWay)
  for (const { id, nodeId } of open) {
    await say(context, id, 'cancel')
    context.out(`Said no to ${nodeId}. Nothing was let in.`)
  }
  if (open.length === 0) context.out('Nobody compares digits with this machine now. Nothing was changed.')
  return 0
}

async function letIn({ env, out }: CliContext, name: string): Promise<void> {
  const { waiting } = LocalState.parse(await askAgent(env.stateDir, 'GET', '/local/state')).ring
  const [machine, namesake] = waiting.filter(({ nodeId }) => nodeId === name)
  if (machine === undefined) {
    const names = waiting.map(({ nodeId }) => nodeId).join(', ')
    throw new ThatdamError('NOT_FOUND', `No machine called ${name} waits near.${names === '' ? '' : ` These do: ${names}.`}`)
  }
  if (namesake !== undefined) {
    throw new ThatdamError('CONFLICT', `Two machines near are called ${name}. Choose by their addresses in the console, under Nodes.`)
  }
  await askAgent(env.stateDir, 'POST', '/local/adoptions', { publicKey: machine.publicKey })
  out(`Asking ${name} for its digits.`)
}

/** The one to be judged, once its digits are there. */
async function comparable(context: CliContext, code: string | null): Promise<Adoption> {
  let isTold = false
  for (const endsAtMs = performance.now() + OPENS_MS_MAX; performance.now() < endsAtMs; await pause()) {
    const { adoptions, ring } = await stateOf(context)
    // One that says yes by itself, or was confirmed elsewhere, is only to be waited for.
    const open = adoptions.filter(({ state }) => state === 'compare' || state === 'confirmed')
    const chosen = code === null ? open : open.filter((one) => one.code === code)
    if (open.length > 0 && chosen.length === 0) throw differ()
    if (chosen.length > 1) throw new ThatdamError('CONFLICT', 'Several rings show digits now. Say which: thatdam approve CODE')
    if (chosen[0] !== undefined) return chosen[0]
    if (adoptions.some(isUnderWay) || isTold) continue
    if (ring.claimed)
      throw new ThatdamError(
        'CONFLICT',
        'This machine has an owner, and lets nobody in just now. Begin with: thatdam approve --let-in NAME',
      )
    context.out(waitsFor(ring))
    isTold = true
  }
  throw new ThatdamError(
    'UNAVAILABLE',
    'Nobody began to let this machine in within ten minutes. It goes on asking; come again when somebody does.',
  )
}

function waitsFor({ others }: LocalState['ring']): string {
  if (others.length === 0) return 'No ring with an owner is near yet. Waiting for one. Ctrl-C ends the waiting.'
  const names = others.map(({ nodeId, address }) => `${nodeId} (${address})`).join(', ')
  return `This machine asks to be let in. Choose it in the console of the ring, under Nodes: ${names}. Ctrl-C ends the waiting.`
}

async function answer(context: CliContext, adoption: Adoption, code: string | null): Promise<number> {
  const { id, nodeId, direction, state } = adoption
  if (state === 'confirmed') return await outcome(context, adoption)
  if (code === null) {
    context.out(
      direction === 'out' ? `The console of ${nodeId} shows six digits. Here they are:` : `${nodeId} shows six digits. Here they are:`,
    )
    context.out(`\n    ${spaced(adoption.code ?? '')}\n`)
    const same = await askYesOrNo(context, 'Are they the same?')
    if (same === null) {
      context.out('Nothing was said. When they are the same, run: thatdam approve followed by these digits.')
      return 1
    }
    if (!same) {
      await say(context, id, 'cancel')
      context.out('Said no. Nothing was let in. If they differ again, somebody may stand between the two machines: use another network.')
      return 1
    }
  }
  await say(context, id, 'confirm')
  return await outcome(context, adoption)
}

async function outcome(context: CliContext, { id, nodeId, direction }: Adoption): Promise<number> {
  let isTold = false
  for (const endsAtMs = performance.now() + SETTLES_MS_MAX; performance.now() < endsAtMs; await pause()) {
    const found = (await stateOf(context)).adoptions.find((one) => one.id === id)
    if (found?.state === 'done') {
      context.out(direction === 'out' ? `This machine is in the ring of ${nodeId}.` : `${nodeId} is in the ring.`)
      return 0
    }
    if (found === undefined || !isUnderWay(found)) {
      context.err(found === undefined || found.reason === '' ? 'It was ended. Start again.' : found.reason)
      return 1
    }
    if (isTold) continue
    context.out(`You said yes here. Now somebody says yes ${direction === 'out' ? `in the console of ${nodeId}` : `on ${nodeId}`}.`)
    isTold = true
  }
  context.err('It is not decided yet. See: thatdam approve --list')
  return 1
}

const stateOf = async ({ env }: CliContext): Promise<LocalState> => LocalState.parse(await askAgent(env.stateDir, 'GET', '/local/state'))
const say = async ({ env }: CliContext, id: string, word: 'confirm' | 'cancel'): Promise<Adoption> =>
  Adoption.parse(await askAgent(env.stateDir, 'POST', `/local/adoptions/${id}/${word}`, {}))
const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, LOOK_MS * (0.8 + Math.random() * 0.4)))
const spaced = (code: string): string => `${code.slice(0, 3)} ${code.slice(3)}`

function digitsOf(text: string): string {
  const digits = text.replaceAll(/[\s-]/g, '')
  if (/^\d{6}$/.test(digits)) return digits
  throw new ThatdamError('BAD_REQUEST', `“${text}” is no code: it is six digits, such as 042137. Nothing was confirmed.`)
}

const differ = (): ThatdamError =>
  new ThatdamError(
    'CONFLICT',
    'This machine shows other digits, so nothing was confirmed. Read them again in the console. If they do differ, somebody may stand between the two machines: thatdam approve --cancel',
  )
