/** `systemctl show -p LoadState -p ActiveState -p UnitFileState thatdam`; null: there is no such unit, or no systemd. */
export function parseSystemdUnit(text: string): { readonly active: boolean; readonly enabled: boolean } | null {
  const value = (name: string) => new RegExp(`^${name}=(.*)$`, 'm').exec(text)?.[1]?.trim() ?? ''
  if (value('LoadState') !== 'loaded') return null
  return { active: /^(active|activating|reloading)$/.test(value('ActiveState')), enabled: value('UnitFileState').startsWith('enabled') }
}

/** `loginctl show-user NAME -p Linger`; null: it does not say. */
export function parseLinger(text: string): boolean | null {
  const value = /^Linger=(yes|no)$/m.exec(text)?.[1]
  return value === undefined ? null : value === 'yes'
}

/** `launchctl print DOMAIN/LABEL`; null: there is no such job. */
export function parseLaunchctlState(text: string): { readonly running: boolean } | null {
  if (!/^\s*state = /m.test(text)) return null
  return { running: /^\s*state = running\s*$/m.test(text) }
}

export interface WindowsTask {
  readonly atBoot: boolean
  readonly atLogOn: boolean
  /** Runs as the system itself, in session 0, where no desktop is. */
  readonly asSystem: boolean
  readonly enabled: boolean
}

/** `schtasks /query /tn NAME /xml`: the same in every language. Null: there is no such task. */
export function parseScheduledTask(xml: string): WindowsTask | null {
  if (!/<Task[\s>]/.test(xml)) return null
  const settings = /<Settings>([\s\S]*?)<\/Settings>/.exec(xml)?.[1] ?? ''
  return {
    atBoot: xml.includes('<BootTrigger'),
    atLogOn: xml.includes('<LogonTrigger'),
    asSystem: /<UserId>(S-1-5-18|SYSTEM|NT AUTHORITY\\SYSTEM)<\/UserId>/i.test(xml),
    enabled: !/<Enabled>false<\/Enabled>/.test(settings),
  }
}
