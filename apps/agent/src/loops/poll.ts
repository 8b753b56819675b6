import type { JoinIntent } from '@thatdam/protocol/join'
import { PollResponse, type Command, type RingNews } from '@thatdam/protocol/poll'
import type { NodeSettings } from '@thatdam/protocol/settings'
import { Backoff, sleep } from '../backoff.ts'
import type { Cloud } from '../cloud/cloud.ts'

/** The cloud holds a poll up to 50 s; after this it is taken for lost. */
const POLL_LIMIT_MS = 70_000
const HELD_MS_MIN = 1_000

export interface PollPorts {
  readonly cloud: Cloud
  readonly onSettings: (revision: number, value: NodeSettings) => Promise<void>
  readonly onCommand: (command: Command) => void
  /** What to add to the poll's address: what this machine has of the ring's records. */
  readonly relayQuery: () => string
  /** Never rejects. */
  readonly onRing: (news: RingNews) => Promise<void>
  /** Never rejects. */
  readonly onJoinIntents: (intents: readonly JoinIntent[]) => Promise<void>
  readonly onFailure: (error: unknown) => void
  /** A poll is on its way. */
  readonly onSent: () => void
}

/**
 * The held poll. What it brings is the owner's settings and commands, and what the ring's machines have to tell each other; a plan from the cloud is not followed, as this node has its own
 * (THREATS 24). The cloud's being away changes nothing here.
 */
export async function pollLoop(ports: PollPorts, signal: AbortSignal): Promise<void> {
  const backoff = new Backoff()
  let cursor = 0
  while (!signal.aborted) {
    const askedAtMs = Date.now()
    try {
      const path = `/agent/v1/poll?cursor=${cursor}${ports.relayQuery()}`
      const answer = await ports.cloud.call({ method: 'GET', path, timeoutMs: POLL_LIMIT_MS, signal, onSent: ports.onSent })
      if (answer.status !== 200) {
        // A server that holds nothing would be asked in a tight circle.
        if (Date.now() - askedAtMs < HELD_MS_MIN) await sleep(backoff.nextMs(), signal)
        else backoff.reset()
        continue
      }
      backoff.reset()
      const news = PollResponse.parse(answer.body)
      if (news.settings) await ports.onSettings(news.settings.revision, news.settings.value)
      for (const command of news.commands) ports.onCommand(command)
      if (news.ring) await ports.onRing(news.ring)
      await ports.onJoinIntents(news.joinIntents ?? [])
      // So would one that answers the same revision again, unless it is a further page of the ring's records.
      if (news.revision === cursor && !news.ring?.more) await sleep(backoff.nextMs(), signal)
      cursor = news.revision
    } catch (error) {
      if (signal.aborted) return
      ports.cloud.failed(error)
      ports.onFailure(error)
      await sleep(backoff.nextMs(), signal)
    }
  }
}
