/** One value of `reg query`, with the key it stands under. */
export interface RegistryValue {
  readonly key: string
  readonly name: string
  readonly type: string
  readonly data: string
}

/** `reg query KEY [/s]`: keys at the line's beginning, their values indented by four blanks. The same in every language of Windows. */
export function parseRegQuery(text: string): RegistryValue[] {
  const values: RegistryValue[] = []
  let key = ''
  for (const line of text.split(/\r?\n/)) {
    if (/^HK[A-Z_]+\\/.test(line)) key = line.trim()
    const [, name, type, data = ''] = /^ {4}(\S.*?) {4}(REG_[A-Z_]+)(?: {4}(.*))?$/.exec(line) ?? []
    if (name && type && key !== '') values.push({ key, name, type, data: data.trim() })
  }
  return values
}
