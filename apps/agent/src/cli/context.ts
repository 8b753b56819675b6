import type { Env } from '../env.ts'

/** What a command gets. It returns its exit code; a ThatdamError that it throws is shown as its sentence, with code 1. */
export interface CliContext {
  readonly env: Env
  readonly out: (line: string) => void
  readonly err: (line: string) => void
  readonly stdin: NodeJS.ReadStream
}
export type CliCommand = (argv: readonly string[], context: CliContext) => Promise<number>
