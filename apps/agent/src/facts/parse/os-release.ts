/** Name for people out of /etc/os-release, e.g. "Debian GNU/Linux 12 (bookworm)". Source: os-release(5). */
export function parseOsRelease(text: string): { name: string; id: string | null; idLike: string[] } {
  const values = new Map<string, string>()
  for (const line of text.split(/\r?\n/)) {
    const match = /^([A-Z0-9_]+)=(.*)$/.exec(line.trim())
    if (match?.[1]) values.set(match[1], unquote(match[2] ?? ''))
  }
  const name = values.get('PRETTY_NAME') ?? [values.get('NAME'), values.get('VERSION')].filter(Boolean).join(' ')
  return { name: name || 'Linux', id: values.get('ID') ?? null, idLike: (values.get('ID_LIKE') ?? '').split(' ').filter(Boolean) }
}

/** Shell quoting as os-release(5) allows it: single or double quotes, backslash before " $ ` and \. */
function unquote(value: string): string {
  const quoted = /^(["'])(.*)\1$/.exec(value)
  const inner = quoted ? (quoted[2] ?? '') : value
  return quoted?.[1] === "'" ? inner : inner.replace(/\\(["$`\\])/g, '$1')
}
