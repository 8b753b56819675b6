/** Interface of the IPv4 default route with the lowest metric in /proc/net/route, or null. */
export function parseProcNetRoute(text: string): string | null {
  const routes = text
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter((cells) => cells[1] === '00000000' && cells[7] === '00000000')
    .toSorted((a, b) => Number(a[6]) - Number(b[6]))
  return routes[0]?.[0] ?? null
}

/** Interface in the answer of macOS `route -n get default`. */
export function parseRouteGet(text: string): string | null {
  return /^\s*interface: (\S+)$/m.exec(text)?.[1] ?? null
}
