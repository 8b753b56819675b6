import { parsePmsetBattery, parsePmsetSleepMinutes } from '../parse/pmset.ts'
import { parseSwVers } from '../parse/sw-vers.ts'
import { parseDisplays, parseHardware } from '../parse/system-profiler.ts'
import { runTool } from '../tool.ts'
import type { SystemFacts } from './system.ts'

export async function gatherDarwin(): Promise<SystemFacts> {
  const [versions, hardware, displays, battery, sleep] = await Promise.all([
    runTool('/usr/bin/sw_vers', []),
    runTool('/usr/sbin/system_profiler', ['SPHardwareDataType', '-json']),
    runTool('/usr/sbin/system_profiler', ['SPDisplaysDataType', '-json']),
    runTool('/usr/bin/pmset', ['-g', 'batt']),
    runTool('/usr/bin/pmset', ['-g', 'custom']),
  ])
  return darwinFacts({
    versions: versions.stdout,
    hardware: hardware.stdout,
    displays: displays.stdout,
    battery: battery.stdout,
    sleep: sleep.stdout,
  })
}

/** The facts out of the five tools' texts. */
export function darwinFacts(texts: { versions: string; hardware: string; displays: string; battery: string; sleep: string }): SystemFacts {
  const hardware = parseHardware(texts.hardware)
  const displays = parseDisplays(texts.displays)
  return {
    osName: parseSwVers(texts.versions),
    model: hardware.model,
    cpuModel: hardware.cpuModel,
    ramBytes: null,
    uiAvailable: displays.screen,
    battery: parsePmsetBattery(texts.battery),
    portable: /MacBook/.test(hardware.model ?? ''),
    // A Mac that does not say sleeps: that is the setting it comes with.
    sleeps: parsePmsetSleepMinutes(texts.sleep) !== 0,
    gpus: displays.gpus.slice(0, 16),
  }
}
