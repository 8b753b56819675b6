export interface MacFirewall {
  readonly on: boolean
  readonly blocksAll: boolean
  /** What is set for the program; null: nothing, macOS asks or goes by its signature. */
  readonly program: 'allow' | 'block' | null
}

/** `socketfilterfw --getglobalstate`, `--getblockall` and `--listapps` of the application firewall. */
export function parseSocketFilter(texts: { state: string; blockAll: string; apps: string }, program: string): MacFirewall {
  const lines = texts.apps.split('\n').map((line) => line.trim())
  const at = lines.findIndex((line) => line.replace(/^\d+\s*:\s*/, '') === program)
  const set = at < 0 ? '' : (lines[at + 1] ?? '')
  return {
    on: /State = [12]/.test(texts.state) || /Firewall is enabled/i.test(texts.state),
    // Newer: "Firewall has block all state set to enabled."; older: "Block all ENABLED!". State 2 is the same.
    blocksAll: /block all (?:state set to )?enabled/i.test(texts.blockAll) || /State = 2/.test(texts.state),
    program: /allow incoming/i.test(set) ? 'allow' : /block incoming/i.test(set) ? 'block' : null,
  }
}
