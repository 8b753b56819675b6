import type { NodeId } from '@thatdam/protocol/ids'
import type { Rumour } from './contract.ts'

/** Word to pass on, and how often it was. */
export interface Telling {
  readonly rumour: Rumour
  readonly sent: number
}

/**
 * More than this are not kept to be told. When a ring of a thousand starts together, each has news of all the others, for which the places in its messages
 * would do only after a quarter of an hour: what is older comes over with the next comparison of all that is known.
 */
export const TELLINGS_MAX = 256

/**
 * The newest rumours, but for those about whom they would be told to. Newest first, because each word has to go on at once from everybody who hears it, or it
 * spreads too slowly: in a storm of news that a machine is gone would wait behind a thousand of which all know that they are there. `tellings`: newest last.
 */
export function newestOf(tellings: readonly Telling[], to: NodeId, count: number): Telling[] {
  const picked: Telling[] = []
  for (let at = tellings.length - 1; at >= 0 && picked.length < count; at--) {
    const telling = tellings[at]
    if (telling !== undefined && telling.rumour.nodeId !== to) picked.push(telling)
  }
  return picked
}

/** News takes the place of what was last told of that member. Changes `tellings`. */
export function putNews(tellings: Telling[], rumour: Rumour): void {
  const { nodeId } = rumour
  const at = tellings.findIndex((telling) => telling.rumour.nodeId === nodeId)
  if (at >= 0) tellings.splice(at, 1)
  tellings.push({ rumour, sent: 0 })
  if (tellings.length > TELLINGS_MAX) tellings.shift()
}

/** Each of these was told once more; what was told often enough is dropped. Changes `tellings`. */
export function countTold(tellings: Telling[], picked: readonly Telling[], timesMax: number): void {
  for (const telling of picked) {
    const at = tellings.lastIndexOf(telling)
    if (telling.sent + 1 >= timesMax) tellings.splice(at, 1)
    else tellings[at] = { rumour: telling.rumour, sent: telling.sent + 1 }
  }
}
