import * as z from 'zod/mini'

const Text = z.optional(z.nullable(z.string()))
const Count = z.optional(z.nullable(z.number()))
const Answer = z.object({
  os: z.optional(z.unknown()),
  computer: z.optional(z.unknown()),
  processor: z.optional(z.unknown()),
  video: z.optional(z.unknown()),
  battery: z.optional(z.unknown()),
})
const Os = z.object({ Caption: Text, Version: Text })
const Computer = z.object({ Manufacturer: Text, Model: Text })
const Processor = z.object({ Name: Text })
const Video = z.object({ Name: Text, AdapterRAM: Count, PNPDeviceID: Text, CurrentHorizontalResolution: Count })
const Battery = z.object({ EstimatedChargeRemaining: Count, BatteryStatus: Count })

export type WindowsFacts = {
  osName: string | null
  model: string | null
  cpuModel: string | null
  gpus: { name: string; vramBytes: number | null }[]
  screen: boolean
  battery: { percent: number; charging: boolean } | null
}

/** What PowerShell is asked, once: one start of it costs half a second. `@()` keeps lists lists; Windows PowerShell 5 still unwraps some. */
export const CIM_SCRIPT = [
  '[Console]::OutputEncoding=[Text.Encoding]::UTF8;',
  '@{os=Get-CimInstance Win32_OperatingSystem|Select-Object Caption,Version;',
  'computer=Get-CimInstance Win32_ComputerSystem|Select-Object Manufacturer,Model;',
  'processor=@(Get-CimInstance Win32_Processor|Select-Object Name);',
  'video=@(Get-CimInstance Win32_VideoController|Select-Object Name,AdapterRAM,PNPDeviceID,CurrentHorizontalResolution);',
  'battery=@(Get-CimInstance Win32_Battery|Select-Object EstimatedChargeRemaining,BatteryStatus)}|ConvertTo-Json -Depth 3 -Compress',
].join('')

/** The answer to CIM_SCRIPT. One object stands for a list of one. */
export function parseWindowsCim(text: string): WindowsFacts {
  const answer = z.safeParse(Answer, parseJson(text)).data ?? {}
  const os = first(Os, answer.os)
  const computer = first(Computer, answer.computer)
  const battery = first(Battery, answer.battery)
  const screens = all(Video, answer.video)
  const percent = battery?.EstimatedChargeRemaining
  return {
    osName: os?.Caption ?? null,
    model: [computer?.Manufacturer, computer?.Model].filter(Boolean).join(' ') || null,
    cpuModel: first(Processor, answer.processor)?.Name?.trim() ?? null,
    gpus: parseVideoControllers(screens),
    screen: screens.some((video) => (video.CurrentHorizontalResolution ?? 0) > 0),
    // BatteryStatus 1 is "discharging" (Win32_Battery); all else is on the cable.
    battery: typeof percent === 'number' ? { percent: Math.min(100, Math.max(0, percent)), charging: battery?.BatteryStatus !== 1 } : null,
  }
}

/** Real adapters only: remote-desktop and indirect displays have no PCI id. AdapterRAM is a 32-bit field, so 4 GiB − 1 MiB and above are unknown. */
export function parseVideoControllers(value: unknown): { name: string; vramBytes: number | null }[] {
  return all(Video, value).flatMap((video) => {
    if (!video.Name || (video.PNPDeviceID && !video.PNPDeviceID.startsWith('PCI\\'))) return []
    const bytes = video.AdapterRAM ?? 0
    return [{ name: video.Name, vramBytes: bytes > 0 && bytes < 4_293_918_720 ? bytes : null }]
  })
}

function all<T extends z.ZodMiniType>(schema: T, value: unknown): z.infer<T>[] {
  const items = Array.isArray(value) ? value : value === null || value === undefined ? [] : [value]
  return items.flatMap((item) => {
    const parsed = z.safeParse(schema, item)
    return parsed.success ? [parsed.data] : []
  })
}

const first = <T extends z.ZodMiniType>(schema: T, value: unknown): z.infer<T> | undefined => all(schema, value)[0]

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text.replace(/^\uFEFF/, ''))
  } catch {
    return null
  }
}
