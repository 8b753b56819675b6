import type { OpKind, OpScope } from '@thatdam/protocol/ops'

/**
 * In which of its author's two logs an op goes. What every machine needs to take part, a Pi Zero too, is `ring` and stays small; what grows
 * with the media is `library`. A kind never moves to the other scope: what was written stays where it is.
 */
const SCOPES: Record<OpKind, OpScope> = {
  'asset.ingested': 'library',
  'asset.probed': 'library',
  'location.seen': 'library',
  'location.gone': 'library',
  'blob.stored': 'library',
  'derivative.made': 'library',
  'derivative.failed': 'library',
  'asset.set': 'library',
  'node.set': 'ring',
  'camera.set': 'ring',
  'camera.seen': 'ring',
  'capture.started': 'library',
  'capture.stopped': 'library',
  'capture.gap': 'library',
  'node.facts': 'ring',
  'policy.set': 'ring',
  'secret.set': 'ring',
  'session.started': 'ring',
  'session.ended': 'ring',
}

export const scopeOf = (kind: OpKind): OpScope => SCOPES[kind]

/** Null: a kind of a newer agent. */
export const knownScopeOf = (kind: string): OpScope | null => (Object.hasOwn(SCOPES, kind) ? SCOPES[kind as OpKind] : null)
