/** MemTotal of /proc/meminfo in bytes: what the kernel can use, a little less than the chips hold. */
export function parseMemTotalBytes(text: string): number | null {
  const match = /^MemTotal:\s+(\d+) kB$/m.exec(text)
  return match?.[1] ? Number(match[1]) * 1024 : null
}
