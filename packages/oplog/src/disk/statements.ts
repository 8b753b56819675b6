import type { DatabaseSync, StatementSync } from 'node:sqlite'

const SQL = {
  meta: 'SELECT value FROM meta WHERE key = ?',
  setMeta: 'INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value',
  dropMeta: 'DELETE FROM meta WHERE key = ?',
  lastPosition: 'SELECT max(position) AS position FROM ops WHERE position IS NOT NULL',
  applied: 'SELECT position, text FROM ops WHERE id = ? AND node = ? AND position IS NOT NULL',
  insertBatch:
    'INSERT INTO batches (node, scope, epoch, sequence, hash, header, signer, signature, standing) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
  insertOp: 'INSERT INTO ops (batch, place, node, ring, id, state, position, text) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
  feed: 'SELECT position, node, text FROM ops WHERE position > ? ORDER BY position LIMIT ?',
  ringFeed: 'SELECT position, node, text FROM ops WHERE ring = 1 AND position > ? ORDER BY position LIMIT ?',
  newest: 'SELECT * FROM batches WHERE node = ? AND epoch = ? ORDER BY sequence DESC LIMIT 1',
  batches: 'SELECT * FROM batches WHERE node = ? AND epoch = ? AND sequence >= ? ORDER BY sequence, hash LIMIT ?',
  links: 'SELECT hash, scope FROM batches WHERE node = ? AND epoch = ? AND sequence = ?',
  forks:
    'SELECT node, epoch, sequence, group_concat(hash) AS hashes FROM batches GROUP BY node, epoch, sequence HAVING count(*) > 1 ORDER BY node, epoch, sequence LIMIT 100',
  /** The greatest text of sequence and hash is the newest batch; of two in a fork, the greater hash. `ring` is the greater scope. */
  logs: "SELECT node, epoch, max(scope) AS scope, count(*) AS batches, max(printf('%016d %s', sequence, hash)) AS top FROM batches GROUP BY node, epoch",
  opsOf: 'SELECT text FROM ops WHERE batch = ? ORDER BY place',
  /** Of these positions, how far into which log they reach. */
  reach:
    'SELECT batches.node, epoch, max(sequence) AS sequence FROM ops JOIN batches USING (batch) WHERE position IN (SELECT value FROM json_each(?)) GROUP BY batches.node, epoch',
  /** The first entry of the feed that lies above a height of one log; a log's entries come into the feed in its own order. */
  firstAbove:
    'SELECT position FROM batches JOIN ops USING (batch) WHERE batches.node = ? AND epoch = ? AND sequence > ? AND position IS NOT NULL ORDER BY sequence, place LIMIT 1',
  /** Stamps compare as text, so a stamp below ?1 is due. */
  due: "SELECT batch, place, node, text FROM ops WHERE state = 'held' AND json_extract(text, '$.hlc') < ? ORDER BY batch, place LIMIT ?",
  unknown:
    "SELECT batch, place, batches.node, scope, standing, text FROM ops JOIN batches USING (batch) WHERE state = 'unknown' ORDER BY batch, place LIMIT ?",
  settle: 'UPDATE ops SET state = ?, position = ? WHERE batch = ? AND place = ?',
  ownHeld: "SELECT text FROM ops WHERE state = 'held' AND node = ? AND json_extract(text, '$.hlc') >= ? LIMIT ?",
  withdrawFuture: "UPDATE ops SET state = 'held', position = NULL WHERE position IS NOT NULL AND json_extract(text, '$.hlc') >= ?",
  newestStamp: "SELECT max(json_extract(text, '$.hlc')) AS hlc FROM ops WHERE position IS NOT NULL",
  standings: 'SELECT DISTINCT node, signer, standing FROM batches',
  judgedAs: 'SELECT batch FROM batches WHERE node = ? AND signer = ? AND standing = ? ORDER BY batch',
  setStanding: 'UPDATE batches SET standing = ? WHERE batch = ?',
  placesOf: 'SELECT place, id, state, text FROM ops WHERE batch = ? ORDER BY place',
  /** Ops that stand behind one of their author's that is not in the feed any more. */
  freed:
    "SELECT batch, place, node, text FROM ops AS d WHERE state = 'double' AND NOT EXISTS (SELECT 1 FROM ops AS a WHERE a.id = d.id AND a.node = d.node AND a.position IS NOT NULL) ORDER BY batch, place",
} as const

export type Statements = Record<keyof typeof SQL, StatementSync>

export function prepareAll(db: DatabaseSync): Statements {
  return Object.fromEntries(Object.entries(SQL).map(([name, sql]) => [name, db.prepare(sql)])) as Statements
}
