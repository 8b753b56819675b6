import { Agent, request as httpRequest } from 'node:http'
import { makeNonce, verifyHello } from '@thatdam/control/join'
import { sampleMachine } from '@thatdam/control/testing/samples'
import { parseToken } from '@thatdam/control/token'
import { ErrorBody } from '@thatdam/protocol/errors'
import { JoinHelloResponse, type JoinRequest } from '@thatdam/protocol/join'
import type { Context, Experiment, Trial } from '../contract.ts'
import { type Control, withControl } from '../support/control.ts'

const MACHINES = 50
const sockets = new Agent({ keepAlive: true, maxSockets: MACHINES, maxFreeSockets: MACHINES })

/**
 * Fifty machines redeem one token at once, over fifty sockets, against the cloud's routes and PostgreSQL: one gets in, and gets the same answer when it
 * asks again; the others hear that the token is used. The time is from the first request until the last answer.
 */
export const joinRace: Experiment = {
  name: 'join-race',
  shows: 'of fifty machines that redeem one token at once, one gets in',
  trials: 500,
  needs: [],
  mutants: ['token-not-held', 'one-use-too-many', 'lost-answer-refused'],
  run: (context) =>
    withControl(context, async (control) => {
      for (const trial of context.trials()) await race(context, control, trial)
      sockets.destroy()
    }),
}

async function race(context: Context, control: Control, trial: Trial): Promise<void> {
  const token = await control.token()
  const hello = await greet(control, token.text)
  const asks = Array.from({ length: MACHINES }, (_, index) => sampleMachine(`race-${trial.index}-${index}`).ask(token.text, hello))
  const startMs = performance.now()
  const answers = await Promise.all(asks.map((ask) => post(`${control.url}/agent/v1/join`, ask)))
  context.took(performance.now() - startMs)
  const at = `trial ${trial.index}`
  const winners = answers.filter(({ status }) => status === 201)
  if (winners.length !== 1) context.violated(`${at}: ${winners.length} machines got in with one token`)
  const others = answers.filter(({ status }) => status !== 201).map(outcomeOf)
  const strange = others.filter((outcome) => outcome !== '401 TOKEN_USED')
  if (strange.length > 0) context.violated(`${at}: not the reason that it is used, but ${[...new Set(strange)].join(', ')}`)
  const { uses, redemptions } = await control.uses(token.id)
  if (uses !== 1 || redemptions !== 1) context.violated(`${at}: the token counts ${uses} uses by ${redemptions} machines`)
  await askAgain(context, { url: control.url, at, asks, answers })
  if (trial.index % 50 === 49) context.say(`${at}: ${trial.index + 1} tokens`)
}

/** The winner's answer was lost, say: it gets it once more. A loser does not get in later. */
async function askAgain(
  context: Context,
  { url, at, asks, answers }: { url: string; at: string; asks: readonly JoinRequest[]; answers: readonly Answered[] },
): Promise<void> {
  const winner = answers.findIndex(({ status }) => status === 201)
  const [ask, loser] = [asks[winner], asks[winner === 0 ? 1 : 0]]
  if (ask === undefined || loser === undefined) return
  const again = await post(`${url}/agent/v1/join`, ask)
  if (again.status !== 201) context.violated(`${at}: the machine that got in asked again and heard ${outcomeOf(again)}`)
  const late = await post(`${url}/agent/v1/join`, loser)
  if (late.status === 201) context.violated(`${at}: a machine that was refused got in by asking again`)
}

async function greet(control: Control, tokenText: string): Promise<JoinHelloResponse> {
  const sent = { version: 1 as const, clientNonce: makeNonce() }
  const answer = await post(`${control.url}/agent/v1/join/hello`, sent)
  const hello = JoinHelloResponse.parse(JSON.parse(answer.text))
  verifyHello(hello, sent, parseToken(tokenText).fingerprint)
  return hello
}

interface Answered {
  readonly status: number
  readonly text: string
}

function outcomeOf({ status, text }: Answered): string {
  const body = ErrorBody.safeParse(JSON.parse(text))
  return `${status} ${body.success ? body.data.error.code : ''}`
}

function post(url: string, value: object): Promise<Answered> {
  const body = JSON.stringify(value)
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)) }
    const request = httpRequest(url, { method: 'POST', agent: sockets, headers }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }))
      response.on('error', reject)
    })
    request.on('error', reject)
    request.end(body)
  })
}
