import { ThatdamError } from '@thatdam/protocol/errors'
import { JOIN_INTENTS_MAX, type PollResponse } from '@thatdam/protocol/poll'
import { makeJoinIntent } from './join-intent.ts'
import type { Signer } from './keys.ts'
import { RELAY_START, type RelayCursor } from './relay.ts'
import { signPlace } from './ring-place.ts'
import type { NodeRecord, PollNews } from './store.ts'

/** @throws ThatdamError BAD_REQUEST. */
export function readPollQuery(url: string): { cursor: number; relay: RelayCursor } {
  const query = new URLSearchParams(url.split('?', 2)[1])
  const [cursor, position] = [query.get('cursor') ?? '0', query.get('records') ?? '0']
  const digest = query.get('digest') ?? RELAY_START.digest
  if (!/^\d{1,15}$/.test(cursor) || !/^\d{1,15}$/.test(position) || !/^[0-9a-f]{64}$/.test(digest)) {
    throw new ThatdamError('BAD_REQUEST', 'The poll’s cursor must be a whole number: the revision of the last answer.')
  }
  return { cursor: Number(cursor), relay: { position: Number(position), digest } }
}

/** What goes over the wire: the ring's place and each waiting machine with the instance's signature. */
export function pollAnswer(instance: Signer, news: PollNews, node: NodeRecord): PollResponse {
  const { ring, waiting, ...rest } = news
  if (ring === undefined) return rest
  const { organisationId } = node
  const { genesis, genesisHash } = ring.place.ring
  const intended = { organisationId, clusterId: genesis.body.clusterId, genesisHash }
  return {
    ...rest,
    ring: { ...ring, place: signPlace(instance, ring.place, node) },
    ...(waiting === undefined || waiting.length === 0
      ? {}
      : { joinIntents: waiting.slice(0, JOIN_INTENTS_MAX).map((kept) => makeJoinIntent(instance, kept, intended)) }),
  }
}
