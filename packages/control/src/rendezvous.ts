import { Announcement, ANNOUNCEMENT_BYTES_MAX } from '@thatdam/protocol/discovery'
import { ThatdamError } from '@thatdam/protocol/errors'
import { RENDEZVOUS_MAX, type RendezvousRequest, type RendezvousResponse } from '@thatdam/protocol/rendezvous'
import { verifySignature } from './keys.ts'
import type { ControlStore, NodeRecord } from './store.ts'

const OFF =
  'The owner has not allowed this organisation’s machines to find one another through the cloud. It is a switch on the cloud app’s page “Machines”.'
const STRANGE = 'A machine can leave only its own signed announcement, of the ring that it is in.'

/**
 * Where machines that share no network leave word for each other, as their owner allows. What is handed on is what a machine signed of itself, byte for
 * byte: who gets it checks it like any other that it hears.
 * @throws ThatdamError FORBIDDEN when it is switched off, the machine is not in the ring, or the announcement is not its own.
 */
export async function meet(
  store: ControlStore,
  node: NodeRecord,
  asked: RendezvousRequest & { nowMs: number },
): Promise<RendezvousResponse> {
  const { announcement: text, ttlMs, nowMs } = asked
  const left = text === null ? null : { text, fingerprint: ownFingerprint(text, node), expiresAtMs: nowMs + ttlMs }
  const outcome = await store.meet(node, left, nowMs)
  if (outcome.kind !== 'met') throw new ThatdamError('FORBIDDEN', outcome.kind === 'off' ? OFF : STRANGE)
  const announcements = outcome.others
    .slice(0, RENDEZVOUS_MAX)
    .map((other) => ({ announcement: other.text, ageMs: Math.max(0, nowMs - other.leftAtMs) }))
  return { version: 1, announcements }
}

function ownFingerprint(text: string, node: NodeRecord): string {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    value = null
  }
  const parsed = Announcement.safeParse(value)
  const isOwn =
    parsed.success &&
    Buffer.byteLength(text) <= ANNOUNCEMENT_BYTES_MAX &&
    parsed.data.body.publicKey === node.nodeKey &&
    verifySignature('thatdam-announcement-v1', parsed.data.body, parsed.data.signature, node.nodeKey)
  if (!isOwn) throw new ThatdamError('FORBIDDEN', STRANGE)
  return parsed.data.body.fingerprint
}
