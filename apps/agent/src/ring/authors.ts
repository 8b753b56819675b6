import { recordHash, type Roster } from '@thatdam/control/roster'
import type { RosterRecord } from '@thatdam/protocol/roster'

export interface Author {
  readonly admitter: boolean
  /** Every key that ever was this machine's in this ring: what it signed with one of them stays signed. */
  readonly keys: ReadonlySet<string>
}

/** Whose ops count, by node id: the members, and those that were removed, for what they wrote before. */
export function authorsOf(roster: Roster, records: readonly RosterRecord[]): Map<string, Author> {
  const ignored = new Set(roster.ignored.map(({ hash }) => hash))
  const keys = new Map<string, Set<string>>()
  const add = (nodeId: string, publicKey: string): void => void keys.set(nodeId, (keys.get(nodeId) ?? new Set<string>()).add(publicKey))
  for (const { body } of records) {
    if (body.kind === 'genesis') add(body.founder.nodeId, body.founder.publicKey)
    if ((body.kind !== 'admission' && body.kind !== 'rekey') || ignored.has(recordHash(body))) continue
    add(body.nodeId, body.kind === 'admission' ? body.publicKey : body.newKey)
  }
  return new Map(
    [...keys].map(([nodeId, own]) => {
      const admitter = roster.members.get(nodeId)?.admitter ?? roster.removed.get(nodeId)?.admitter ?? false
      return [nodeId, { admitter, keys: own }]
    }),
  )
}
