/* Pure: the lines that a person copies to another machine. */

export type System = 'unix' | 'windows' | 'installed'

/** `installUrl`: origin that serves the installers; null: only a machine that has the agent already can come. */
export function joinCommand(system: System, token: string, installUrl: string | null): string | null {
  if (system === 'installed') return `thatdam register --token ${token}`
  if (installUrl === null) return null
  if (system === 'windows') return `& ([scriptblock]::Create((irm ${installUrl}/install.ps1))) -Token ${token}`
  return `curl -fsSL ${installUrl}/install.sh | sh -s -- --token ${token}`
}
