/** Joins class names; falsy ones drop out. Later classes do not override earlier ones: keep variants disjoint. */
export function cx(...names: (string | false | null | undefined)[]): string {
  return names.filter(Boolean).join(' ')
}
