import type { DatabaseSync, StatementSync } from 'node:sqlite'

const SQL = {
  meta: 'SELECT value FROM meta WHERE key = ?',
  setMeta: 'INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value',
  dropMeta: 'DELETE FROM meta WHERE key = ?',
  lastPosition: 'SELECT max(position) AS position FROM ops WHERE position IS NOT NULL',
  applied: 'SELECT position, text FROM ops WHERE id = ? AND position IS NOT NULL',
  insertBatch: 'INSERT INTO batches (node, epoch, sequence, hash, header, signer, signature) VALUES (?, ?, ?, ?, ?, ?, ?)',
  insertOp: 'INSERT INTO ops (batch, place, id, state, position, text) VALUES (?, ?, ?, ?, ?, ?)',
  feed: 'SELECT position, node, text FROM ops JOIN batches USING (batch) WHERE position > ? ORDER BY position LIMIT ?',
  newest: 'SELECT * FROM batches WHERE node = ? AND epoch = ? ORDER BY sequence DESC LIMIT 1',
  batches: 'SELECT * FROM batches WHERE node = ? AND epoch = ? AND sequence >= ? ORDER BY sequence, hash LIMIT ?',
  hashesAt: 'SELECT hash FROM batches WHERE node = ? AND epoch = ? AND sequence = ?',
  forks:
    'SELECT node, epoch, sequence, group_concat(hash) AS hashes FROM batches GROUP BY node, epoch, sequence HAVING count(*) > 1 ORDER BY node, epoch, sequence LIMIT 100',
  /** The greatest text of sequence and hash is the newest batch; of two in a fork, the greater hash. */
  logs: "SELECT node, epoch, count(*) AS batches, max(printf('%016d %s', sequence, hash)) AS top FROM batches GROUP BY node, epoch ORDER BY node, epoch",
  opsOf: 'SELECT text FROM ops WHERE batch = ? ORDER BY place',
  /** Stamps compare as text, so a stamp of ?1 or before is due. */
  due: "SELECT batch, place, text FROM ops WHERE state = 'held' AND json_extract(text, '$.hlc') < ? ORDER BY batch, place LIMIT ?",
  settle: 'UPDATE ops SET state = ?, position = ? WHERE batch = ? AND place = ?',
} as const

export type Statements = Record<keyof typeof SQL, StatementSync>

export function prepareAll(db: DatabaseSync): Statements {
  return Object.fromEntries(Object.entries(SQL).map(([name, sql]) => [name, db.prepare(sql)])) as Statements
}
