import * as z from 'zod/mini'

const Status = z.object({
  BackendState: z.string(),
  Self: z.optional(z.nullable(z.object({ TailscaleIPs: z.optional(z.nullable(z.array(z.string()))) }))),
})

/** This machine's own addresses in `tailscale status --json`; empty when Tailscale is not up. */
export function parseTailscaleAddresses(text: string): string[] {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return []
  }
  const status = z.safeParse(Status, value)
  return status.success && status.data.BackendState === 'Running' ? (status.data.Self?.TailscaleIPs ?? []) : []
}
