import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'

/** Addresses of a host name, at most 8; empty when it has none or the name service does not answer in 3 s. */
export async function resolveHost(host: string): Promise<string[]> {
  if (isIP(host.split('%')[0] ?? '') !== 0) return [host]
  // The look-up itself cannot be stopped, but nobody waits for it.
  const late = new Promise<[]>((resolve) => setTimeout(resolve, 3_000, []).unref())
  const found = await Promise.race([lookup(host, { all: true, verbatim: true }).catch(() => []), late])
  return found.slice(0, 8).map((entry) => entry.address)
}

/**
 * `host`, `host:port`, `[IPv6]:port`, bare IPv6.
 * @returns null when it is none of these.
 */
export function parseHostPort(text: string, defaultPort: number): { host: string; port: number } | null {
  const bare = text.trim()
  if (isIP(bare) === 6) return { host: bare, port: defaultPort }
  const match = /^(?:\[([0-9a-fA-F:.]+(?:%\w+)?)\]|([A-Za-z0-9._-]{1,253}))(?::(\d{1,5}))?$/.exec(bare)
  const host = match?.[1] ?? match?.[2]
  const port = match?.[3] === undefined ? defaultPort : Number(match[3])
  return host === undefined || port < 1 || port > 65_535 ? null : { host, port }
}
