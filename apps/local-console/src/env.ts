import * as z from 'zod/mini'

const Env = z.object({
  /** A PostgreSQL server of the owner's own, instead of the embedded one. */
  DATABASE_URL: z.optional(z.string()),
  /** Folder with PostgreSQL's bin, lib and share; unset: `postgres` beside the program, else the npm package. */
  THATDAM_POSTGRES_DIR: z.optional(z.string()),
  /** 0: serve the built pages also when started from sources. */
  CONSOLE_DEV: z._default(z.enum(['0', '1']), '1'), // oxlint-disable-line eslint/no-underscore-dangle -- zod/mini's own name
})

/** Read once at the start. The rest of the configuration comes from the agent over the IPC channel. */
export const env = Env.parse(process.env)

// Next reads it when it starts; a person's machine reports to nobody.
process.env['NEXT_TELEMETRY_DISABLED'] = '1'
