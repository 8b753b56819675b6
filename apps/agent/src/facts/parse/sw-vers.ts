/** "macOS 26.3" out of `sw_vers`. */
export function parseSwVers(text: string): string {
  const name = /^ProductName:\s*(.+)$/m.exec(text)?.[1]?.trim() ?? 'macOS'
  const version = /^ProductVersion:\s*(.+)$/m.exec(text)?.[1]?.trim()
  return version ? `${name} ${version}` : name
}
