/**
 * `systeminfo` of Windows, whose labels are in the system's language: values are known by their own shape.
 * The model stands before the line "x64-based PC" (not translated); the first amount of megabytes is the physical memory.
 */
export function parseSystemInfo(text: string): { osName: string | null; model: string | null; ramBytes: number | null } {
  const values = text
    .split(/\r?\n/)
    .filter((line) => /^\S/.test(line))
    .map((line) => /:\s{2,}(.*)$/.exec(line)?.[1]?.trim() ?? /:\s(.*)$/.exec(line)?.[1]?.trim() ?? '')
  const typeAt = values.findIndex((value) => /^(x64|ARM64)-based PC$/i.test(value))
  const memory = values
    .map((value) => /^(\d[\d\s.,\u00a0\u202f]*)\s?(?:MB|Mo|\u041c\u0411|Mio)$/.exec(value)?.[1])
    .find((amount) => amount !== undefined)
  const megabytes = Number(memory?.replace(/\D/g, ''))
  return {
    osName: values.find((value) => value.startsWith('Microsoft Windows')) ?? null,
    model: (typeAt > 0 ? values[typeAt - 1] : undefined) || null,
    ramBytes: megabytes > 0 ? megabytes * 1024 * 1024 : null,
  }
}
