import * as z from 'zod/mini'

export type BlockDevice = { path: string; mountPoint: string; removable: boolean; transport: string | null }

const Device = z.object({
  name: z.string(),
  path: z.optional(z.string()),
  rm: z.optional(z.nullable(z.union([z.boolean(), z.string()]))),
  hotplug: z.optional(z.nullable(z.union([z.boolean(), z.string()]))),
  tran: z.optional(z.nullable(z.string())),
  mountpoint: z.optional(z.nullable(z.string())),
  mountpoints: z.optional(z.nullable(z.array(z.nullable(z.string())))),
  children: z.optional(z.array(z.unknown())),
})
const Listing = z.object({ blockdevices: z.array(z.unknown()) })

/**
 * Mounted parts of `lsblk -J -o NAME,PATH,RM,HOTPLUG,TRAN,MOUNTPOINT`. A part has the transport of its disk; old versions write booleans as "0"/"1"
 * and new ones may give `mountpoints`. `[SWAP]` is no mount point. Nesting deeper than 8 is not followed.
 */
export function parseLsblk(text: string): BlockDevice[] {
  const listing = z.safeParse(Listing, parseJson(text))
  return listing.success ? listing.data.blockdevices.flatMap((device) => mounted(device, null, false, 0)) : []
}

function mounted(value: unknown, transport: string | null, removable: boolean, depth: number): BlockDevice[] {
  const parsed = z.safeParse(Device, value)
  if (!parsed.success || depth > 8) return []
  const device = parsed.data
  const here = device.tran ?? transport
  const comesOff = removable || isTrue(device.rm) || isTrue(device.hotplug)
  const points = [device.mountpoint, ...(device.mountpoints ?? [])].filter((point) => typeof point === 'string' && point.startsWith('/'))
  const own = [...new Set(points)].map((point) => ({
    path: device.path ?? `/dev/${device.name}`,
    mountPoint: point as string,
    removable: comesOff,
    transport: here,
  }))
  return [...own, ...(device.children ?? []).flatMap((child) => mounted(child, here, comesOff, depth + 1))]
}

const isTrue = (value: boolean | string | null | undefined) => value === true || value === '1'

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
