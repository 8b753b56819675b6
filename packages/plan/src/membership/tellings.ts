import type { NodeId } from '@thatdam/protocol/ids'
import type { Rumour } from './contract.ts'

/** Word to pass on, and how often it was. */
export interface Telling {
  readonly rumour: Rumour
  readonly sent: number
}

/** The rumours that were passed on least, but for those about whom they would be told to. `tellings`: least told first. */
export function leastTold(tellings: readonly Telling[], to: NodeId, count: number): Telling[] {
  const picked: Telling[] = []
  for (const telling of tellings) {
    if (picked.length >= count) break
    if (telling.rumour.nodeId !== to) picked.push(telling)
  }
  return picked
}

/** Puts it behind all that were told no more often: in a storm of news there may be a telling of every member. Changes `tellings`. */
export function put(tellings: Telling[], telling: Telling): void {
  let from = 0
  let to = tellings.length
  while (from < to) {
    const middle = (from + to) >> 1
    if ((tellings[middle]?.sent ?? 0) > telling.sent) to = middle
    else from = middle + 1
  }
  tellings.splice(from, 0, telling)
}

/** News takes the place of what was last told of that member. Changes `tellings`. */
export function putNews(tellings: Telling[], rumour: Rumour): void {
  const { nodeId } = rumour
  const at = tellings.findIndex((telling) => telling.rumour.nodeId === nodeId)
  if (at >= 0) tellings.splice(at, 1)
  put(tellings, { rumour, sent: 0 })
}

/** Each of these, from the front, was told once more; what was told often enough is dropped. Changes `tellings`. */
export function countTold(tellings: Telling[], picked: readonly Telling[], timesMax: number): void {
  for (const telling of picked) {
    tellings.splice(tellings.indexOf(telling), 1)
    if (telling.sent + 1 < timesMax) put(tellings, { rumour: telling.rumour, sent: telling.sent + 1 })
  }
}
