import { addEdits, EMPTY_REGISTER, readRegister, type FieldEdit } from '@thatdam/oplog/fields'
import { canonicalJson, type Json } from '@thatdam/protocol/canonical'
import { REPLACES_MAX } from '@thatdam/protocol/ops'
import type { Pool, PoolClient } from 'pg'

export type Noun = 'asset' | 'node' | 'camera'
export interface FieldName {
  noun: Noun
  subject: string
  field: string
}

/** One of the values that stand against one another. `nodeId`: the machine on which it was entered, `atMs`: when, in ring time. */
export interface StandingValue {
  opId: string
  value: Json
  nodeId: string
  atMs: number
}
/** A field that was edited on both sides of a cut. `shown` counts until somebody chooses; `others` newest first. */
export interface Conflict {
  field: string
  shown: StandingValue
  others: StandingValue[]
}

/** What a new edit of a field says that it takes the place of. */
export interface Replaced {
  replaces: string | null
  alsoReplaces: string[]
}

type Stored = FieldEdit & FieldName

/** Finds anew what stands against the value that counts, in these fields. A function of all edits of a field, whatever the order they came in. */
export async function refreshConflicts(db: PoolClient, touched: readonly FieldName[]): Promise<void> {
  if (touched.length === 0) return
  const names = [...new Map(touched.map((one) => [keyOf(one), { noun: one.noun, subject: one.subject, field: one.field }])).values()]
  const text = JSON.stringify(names)
  const { rows } = await db.query<Stored>(
    `SELECT f.noun, f.subject, f.field, "opId" AS id, value, hlc, replaces, "alsoReplaces" FROM catalog_fields f JOIN ${NAMES} USING (noun, subject, field)`,
    [text],
  )
  const found = [...Map.groupBy(rows, keyOf).values()].flatMap(conflictsIn)
  await db.query(`DELETE FROM catalog_conflicts c USING ${NAMES} WHERE (c.noun, c.subject, c.field) = (r.noun, r.subject, r.field)`, [text])
  if (found.length === 0) return
  await db.query(
    `INSERT INTO catalog_conflicts (noun, subject, field, "opId", value, hlc)
     SELECT noun, subject, field, id, coalesce(value, 'null'), hlc FROM jsonb_to_recordset($1::jsonb)
       AS r(noun text, subject text, field text, id text, value jsonb, hlc text)`,
    [JSON.stringify(found)],
  )
}

const NAMES = `jsonb_to_recordset($1::jsonb) AS r(noun text, subject text, field text)`
const keyOf = ({ noun, subject, field }: FieldName): string => JSON.stringify([noun, subject, field])

/** Both sides entered the same: there is nothing to choose. */
function conflictsIn(edits: readonly Stored[]): Stored[] {
  const { winner, conflicts } = readRegister(addEdits(EMPTY_REGISTER, edits))
  if (winner === null) return []
  const others = conflicts.filter((edit) => canonicalJson(edit.value) !== canonicalJson(winner.value)).slice(0, REPLACES_MAX)
  const byId = new Map(edits.map((edit) => [edit.id, edit]))
  return others.flatMap((edit) => byId.get(edit.id) ?? [])
}

/** Of one asset, machine or camera, in order of the fields' names. */
export async function listConflicts(pool: Pool, noun: Noun, subject: string): Promise<Conflict[]> {
  const { rows } = await pool.query<{ field: string; id: string; value: Json; hlc: string; shown: boolean }>(
    `WITH standing AS (SELECT field, "opId" AS id, value, hlc FROM catalog_conflicts WHERE noun = $1 AND subject = $2)
     SELECT *, false AS shown FROM standing
     UNION ALL
     (SELECT DISTINCT ON (field) field, "opId", value, hlc, true FROM catalog_fields
      WHERE noun = $1 AND subject = $2 AND field IN (SELECT field FROM standing)
      ORDER BY field, hlc COLLATE "C" DESC, "opId" COLLATE "C" DESC)
     ORDER BY hlc DESC`,
    [noun, subject],
  )
  const byField = [...Map.groupBy(rows, (row) => row.field)].toSorted(([a], [b]) => (a < b ? -1 : 1))
  return byField.flatMap(([field, values]) => {
    const shown = values.find((one) => one.shown)
    if (shown === undefined) return []
    return [{ field, shown: standing(shown), others: values.filter((one) => !one.shown).map(standing) }]
  })
}

const standing = ({ id, value, hlc }: { id: string; value: Json; hlc: string }): StandingValue => {
  return { opId: id, value, nodeId: hlc.slice(21), atMs: Number(hlc.slice(0, 13)) }
}

/**
 * For an ordinary edit: the op whose value the person sees, and those that say the same. What stands in conflict stays so: the person has not
 * chosen.
 */
export async function fieldEdit(pool: Pool, name: FieldName): Promise<Replaced> {
  const { winner, conflicts } = await readField(pool, name)
  const same = conflicts.filter((edit) => canonicalJson(edit.value) === canonicalJson(winner?.value ?? null))
  return { replaces: winner?.id ?? null, alsoReplaces: idsOf(same) }
}

/** For the person's choice of one value in a conflict: all of them. Null: that op is not among them (any more). */
export async function choice(pool: Pool, name: FieldName, opId: string): Promise<(Replaced & { value: Json }) | null> {
  const { winner, conflicts } = await readField(pool, name)
  if (winner === null || conflicts.length === 0) return null
  const chosen = [winner, ...conflicts].find((edit) => edit.id === opId)
  return chosen === undefined ? null : { value: chosen.value, replaces: winner.id, alsoReplaces: idsOf(conflicts) }
}

const idsOf = (edits: readonly FieldEdit[]): string[] => edits.slice(0, REPLACES_MAX).map((edit) => edit.id)

async function readField(pool: Pool, { noun, subject, field }: FieldName): Promise<ReturnType<typeof readRegister>> {
  const { rows } = await pool.query<FieldEdit>(
    'SELECT "opId" AS id, value, hlc, replaces, "alsoReplaces" FROM catalog_fields WHERE noun = $1 AND subject = $2 AND field = $3',
    [noun, subject, field],
  )
  return readRegister(addEdits(EMPTY_REGISTER, rows))
}
