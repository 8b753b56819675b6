import { constants } from 'node:os'

/** A shell and a container engine tell a death by a signal as 128 and its number. */
export function exitOf(status: number): { readonly code: number | null; readonly signal: string | null } {
  const signal = Object.entries(constants.signals).find(([, number]) => number === status - 128)?.[0]
  return signal === undefined ? { code: status, signal: null } : { code: null, signal }
}
