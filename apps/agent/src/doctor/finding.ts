import type { Finding } from '@thatdam/protocol/doctor'

export const ok = (name: string, message: string): Finding => ({ name, state: 'ok', message, fix: null })
export const warn = (name: string, message: string, fix: string | null = null): Finding => ({ name, state: 'warn', message, fix })
export const fail = (name: string, message: string, fix: string): Finding => ({ name, state: 'fail', message, fix })

/** A system error's code, or its words. */
export function reasonOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? (error instanceof Error ? error.message : String(error))
}
