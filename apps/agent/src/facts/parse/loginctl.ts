/**
 * Ids of the sessions in `loginctl list-sessions` (SESSION is always the first column, whatever columns follow).
 * The heading and "N sessions listed." are skipped.
 */
export function parseSessionIds(text: string): string[] {
  return text
    .split(/\r?\n/)
    .map((line) => /^\s*([a-z]*\d+)\s+\d+\s+\S/.exec(line)?.[1])
    .filter((id) => id !== undefined)
    .slice(0, 64)
}

/** `loginctl show-session ID -p Type -p State`: a session that draws on a screen. Greeters count: the machine has a desktop, only nobody is signed in now. */
export function isGraphicalSession(text: string): boolean {
  const type = /^Type=(.*)$/m.exec(text)?.[1]?.trim()
  const state = /^State=(.*)$/m.exec(text)?.[1]?.trim()
  return (type === 'x11' || type === 'wayland' || type === 'mir') && state !== 'closing'
}
