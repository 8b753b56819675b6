import type { NodeView } from '../domain/node-view.ts'
import type { MadeToken } from '../domain/tokens.ts'
import type { Browser } from './browser.ts'
import { Machine } from './machine.ts'

/** What a signed-in person does on *Add machine*. */
export async function makeToken(browser: Browser, choice: object = {}): Promise<MadeToken> {
  const answer = await browser.ask({ method: 'POST', path: '/api/tokens', body: choice })
  if (answer.status !== 201) throw new Error(`making a token: ${answer.status} ${answer.text}`)
  return answer.json<MadeToken>()
}

/** A machine that joined by a token of this person and has its credential, and how the page shows it. */
export async function joined(browser: Browser, nodeId: string): Promise<{ machine: Machine; node: NodeView }> {
  const machine = new Machine(browser.base, nodeId)
  const join = await machine.join((await makeToken(browser)).text)
  if (join.status !== 201) throw new Error(`joining: ${join.status} ${join.text}`)
  const renewal = await machine.renew()
  if (renewal.status !== 200) throw new Error(`renewing: ${renewal.status} ${renewal.text}`)
  const { nodes } = (await browser.ask({ path: '/api/nodes' })).json<{ nodes: NodeView[] }>()
  const node = nodes.find((one) => one.nodeId === nodeId)
  if (node === undefined) throw new Error(`${nodeId} is not in the list`)
  return { machine, node }
}
