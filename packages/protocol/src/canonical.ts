/** A JSON value. `undefined` members are left out, as JSON.stringify does. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json | undefined }

/**
 * Canonical JSON after RFC 8785 (JCS): keys sorted by UTF-16 code units, no white space, ECMAScript numbers.
 * Equal values give equal bytes on every machine; hashes and signatures are made over it.
 * @throws TypeError for NaN, infinities, lone surrogates and cycles-deep (> 64 levels) input.
 */
export function canonicalJson(value: Json, depth = 0): string {
  if (depth > 64) throw new TypeError('canonical JSON: nested deeper than 64 levels')
  if (value === null || typeof value === 'boolean') return String(value)
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new TypeError(`canonical JSON: ${value} is not a JSON number`)
    return JSON.stringify(value)
  }
  if (typeof value === 'string') {
    if (!value.isWellFormed()) throw new TypeError('canonical JSON: a string holds a lone surrogate')
    return JSON.stringify(value)
  }
  if (Array.isArray(value)) return `[${value.map((item: Json) => canonicalJson(item, depth + 1)).join(',')}]`
  const record = value as { readonly [key: string]: Json | undefined }
  const members = Object.keys(record)
    .filter((key) => record[key] !== undefined)
    .toSorted()
    .map((key) => `${canonicalJson(key)}:${canonicalJson(record[key] as Json, depth + 1)}`)
  return `{${members.join(',')}}`
}
