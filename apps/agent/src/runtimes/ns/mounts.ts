/** One line of /proc/self/mountinfo, as far as a bind that makes it read-only needs it. */
export interface Mount {
  readonly path: string
  readonly type: string
  readonly options: readonly string[]
}

/** Spaces, tabs, newlines and backslashes are octal there. */
export function readMounts(mountinfo: string): Mount[] {
  return mountinfo
    .split('\n')
    .map((line) => line.split(' '))
    .filter((fields) => fields.length > 6)
    .map((fields) => ({
      path: (fields[4] ?? '').replace(/\\([0-7]{3})/g, (_all, octal: string) => String.fromCodePoint(Number.parseInt(octal, 8))),
      type: fields[fields.indexOf('-') + 1] ?? '',
      options: (fields[5] ?? '').split(','),
    }))
}

const KEPT = ['nosuid', 'nodev', 'noexec', 'noatime', 'nodiratime', 'relatime']

/** Options of a remount that changes nothing but the right to write. A namespace of a user may drop none of what it found. */
export function readOnlyOptions({ options }: Mount): string {
  const kept = KEPT.filter((option) => options.includes(option))
  const times = kept.includes('noatime') || kept.includes('relatime') ? [] : ['strictatime']
  return ['remount', 'bind', 'ro', ...kept, ...times].join(',')
}
