export interface Holder {
  readonly pid: number
  readonly program: string
}

/** `ss -lnpH`: the last column is `users:(("node",pid=123,fd=20))`; without rights it is missing. */
export function parseSs(text: string): Holder | null {
  const [, program, pid] = /users:\(\("([^"]*)",pid=(\d+)/.exec(text) ?? []
  return program && pid ? { program, pid: Number(pid) } : null
}

/** `lsof -Fpc`: a field a line, its letter first. */
export function parseLsof(text: string): Holder | null {
  const [, pid] = /^p(\d+)$/m.exec(text) ?? []
  return pid ? { pid: Number(pid), program: /^c(.+)$/m.exec(text)?.[1] ?? `process ${pid}` } : null
}

/** Process id of `netstat -ano -p TCP|UDP` that has the port. The state's word is in the system's language; a listener's foreign port is 0 or `*`. */
export function parseNetstatPid(text: string, protocol: 'tcp' | 'udp', port: number): number | null {
  for (const line of text.split(/\r?\n/)) {
    const words = line.trim().split(/\s+/)
    const isListener = protocol === 'udp' || words[2]?.endsWith(':0') === true
    if (words[0]?.toLowerCase() === protocol && words[1]?.endsWith(`:${port}`) && isListener) return Number(words.at(-1)) || null
  }
  return null
}

/** A line of `tasklist /FO CSV /NH`: name, id, session name, session number, memory. Null: there is no such process. */
export function parseTasklist(text: string): { readonly program: string; readonly pid: number; readonly session: number } | null {
  const [, program, pid, session] = /^"([^"]+)","(\d+)","[^"]*","(\d+)"/m.exec(text) ?? []
  return program && pid ? { program, pid: Number(pid), session: Number(session) } : null
}
