import * as z from 'zod/mini'

const Text = z.optional(z.string())
const Hardware = z.object({
  SPHardwareDataType: z.array(z.object({ machine_name: Text, machine_model: Text, chip_type: Text, cpu_type: Text })),
})
const Displays = z.object({
  SPDisplaysDataType: z.array(
    z.object({ _name: Text, sppci_model: Text, spdisplays_ndrvs: z.optional(z.array(z.unknown())), spdisplays_vram: Text }),
  ),
})
const Cameras = z.object({ SPCameraDataType: z.array(z.object({ _name: z.string(), 'spcamera_unique-id': z.string() })) })

/** `system_profiler SPHardwareDataType -json`. A chip of "Unknown" is none. */
export function parseHardware(text: string): { model: string | null; cpuModel: string | null } {
  const entry = z.safeParse(Hardware, parseProfilerJson(text)).data?.SPHardwareDataType[0]
  const chip = entry?.chip_type ?? entry?.cpu_type
  const model = [entry?.machine_name, entry?.machine_model ? `(${entry.machine_model})` : undefined].filter(Boolean).join(' ')
  return { model: model || null, cpuModel: chip && chip !== 'Unknown' ? chip : null }
}

/** `system_profiler SPDisplaysDataType -json`: graphics chips with a model's name, and whether a screen hangs on any. */
export function parseDisplays(text: string): { gpus: { name: string; vramBytes: number | null }[]; screen: boolean } {
  const entries = z.safeParse(Displays, parseProfilerJson(text)).data?.SPDisplaysDataType ?? []
  return {
    gpus: entries.flatMap((entry) => (entry.sppci_model ? [{ name: entry.sppci_model, vramBytes: vramBytes(entry.spdisplays_vram) }] : [])),
    screen: entries.some((entry) => (entry.spdisplays_ndrvs?.length ?? 0) > 0),
  }
}

/** `system_profiler SPCameraDataType -json`. */
export function parseCameras(text: string): { name: string; uniqueId: string }[] {
  const entries = z.safeParse(Cameras, parseProfilerJson(text)).data?.SPCameraDataType ?? []
  return entries.map((entry) => ({ name: entry['_name'], uniqueId: entry['spcamera_unique-id'] }))
}

/** "8 GB" or "1536 MB" of a card with its own memory; Apple's chips share the machine's and tell none. */
function vramBytes(text: string | undefined): number | null {
  const match = /^(\d+) (GB|MB)$/.exec(text ?? '')
  return match ? Number(match[1]) * (match[2] === 'GB' ? 1024 ** 3 : 1024 ** 2) : null
}

/** Anything after the last brace is not JSON's (a shell's mark of a missing line end, when a person saved it). */
function parseProfilerJson(text: string): unknown {
  try {
    return JSON.parse(text.slice(0, text.lastIndexOf('}') + 1))
  } catch {
    return null
  }
}
