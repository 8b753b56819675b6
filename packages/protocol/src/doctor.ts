import * as z from 'zod/mini'

/** One line of `thatdam doctor`: what, to what, and when it is not `ok` what to do, as exactly as it can be said. */
export const Finding = z.object({
  name: z.string(),
  state: z.enum(['ok', 'warn', 'fail']),
  message: z.string(),
  fix: z.nullable(z.string()),
})
export type Finding = z.infer<typeof Finding>

/** `thatdam doctor --json`. `ok`: nothing failed; warnings may be there. */
export const DoctorReport = z.object({ ok: z.boolean(), findings: z.array(Finding) })
export type DoctorReport = z.infer<typeof DoctorReport>

/** From the examining process to the command, a line each: first what will be examined, then each check's outcome as it comes. */
export const DoctorLine = z.union([
  z.object({ checks: z.array(z.string()).check(z.maxLength(64)) }),
  z.object({ check: z.string(), findings: z.array(Finding).check(z.maxLength(256)) }),
])
export type DoctorLine = z.infer<typeof DoctorLine>
