/** `pmset -g batt`. "AC attached; not charging" and "charged" are on the cable: charging is true for anything but discharging. */
export function parsePmsetBattery(text: string): { percent: number; charging: boolean } | null {
  const match = /InternalBattery.*?\t\s*(\d+)%; ([^;]+);/.exec(text)
  if (!match) return null
  return { percent: Math.min(100, Number(match[1])), charging: match[2]?.trim() !== 'discharging' }
}

/** `pmset -g custom`: minutes until sleep on the cable; 0 never sleeps, null when it does not say. */
export function parsePmsetSleepMinutes(text: string): number | null {
  const onCable = /AC Power:\n([\s\S]*?)(?:\n\S|$)/.exec(text)?.[1] ?? text
  const match = /^\s*sleep\s+(\d+)/m.exec(onCable)
  return match ? Number(match[1]) : null
}
