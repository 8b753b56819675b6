import type { OpBody, OpKind } from '@thatdam/protocol/ops'

/** Who signed, as the roster knows it. */
export type OpAuthor = { nodeId: string; admitter: boolean }

/** `not-its-own`: speaks about another node. `needs-admitter`: edits what belongs to the ring's owner. */
export type RightsVerdict = { ok: true } | { ok: false; reason: 'not-its-own' | 'needs-admitter' }

/**
 * Who may sign which kind of op (THREATS 25). A worker tells what it has and does itself; what a person decides (titles, trash,
 * names, settings, who is signed in) is signed by an admitter, so that a camera stolen from a shed decides nothing. Captures belong to the log they are in.
 */
const RIGHTS: Record<OpKind, 'member' | 'own-node' | 'admitter'> = {
  'asset.ingested': 'member',
  'asset.probed': 'member',
  'location.seen': 'own-node',
  'location.gone': 'own-node',
  'blob.stored': 'own-node',
  'derivative.made': 'member',
  'derivative.failed': 'member',
  'asset.set': 'admitter',
  'node.set': 'admitter',
  'camera.set': 'admitter',
  'camera.seen': 'own-node',
  'capture.started': 'member',
  'capture.stopped': 'member',
  'capture.gap': 'member',
  'node.facts': 'own-node',
  'policy.set': 'admitter',
  'secret.set': 'admitter',
  'session.started': 'admitter',
  'session.ended': 'admitter',
}

/** May this member of the ring sign this op? */
export function maySign(body: OpBody, author: OpAuthor): RightsVerdict {
  const right = RIGHTS[body.kind]
  if (right === 'admitter' && !author.admitter) return { ok: false, reason: 'needs-admitter' }
  if (right === 'own-node' && (!('nodeId' in body) || body.nodeId !== author.nodeId)) return { ok: false, reason: 'not-its-own' }
  return { ok: true }
}
