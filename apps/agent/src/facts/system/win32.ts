import os from 'node:os'
import { parseStandbySeconds } from '../parse/powercfg.ts'
import { parseSystemInfo } from '../parse/systeminfo.ts'
import { CIM_SCRIPT, parseWindowsCim } from '../parse/windows-cim.ts'
import { runTool } from '../tool.ts'
import type { SystemFacts } from './system.ts'

export async function gatherWindows(): Promise<SystemFacts> {
  const [cim, standby] = await Promise.all([
    runTool('powershell.exe', ['-NoProfile', '-NonInteractive', '-ExecutionPolicy', 'Bypass', '-Command', CIM_SCRIPT]),
    runTool('powercfg.exe', ['/query', 'SCHEME_CURRENT', 'SUB_SLEEP', 'STANDBYIDLE']),
  ])
  const info = cim.code === 0 ? null : await runTool('systeminfo.exe', [])
  return windowsFacts({ cim: cim.stdout, systemInfo: info?.stdout ?? '', standby: standby.stdout })
}

/** The facts out of the tools' texts; systeminfo stands in where PowerShell is not allowed. */
export function windowsFacts(texts: { cim: string; systemInfo: string; standby: string }): SystemFacts {
  const cim = parseWindowsCim(texts.cim)
  const info = parseSystemInfo(texts.systemInfo)
  return {
    osName: cim.osName ?? info.osName ?? `Windows ${os.release()}`,
    model: cim.model ?? info.model,
    cpuModel: cim.cpuModel,
    ramBytes: info.ramBytes,
    uiAvailable: cim.screen,
    battery: cim.battery,
    portable: cim.battery !== null,
    sleeps: parseStandbySeconds(texts.standby) !== 0,
    gpus: cim.gpus.slice(0, 16),
  }
}
