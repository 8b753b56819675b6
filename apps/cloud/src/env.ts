import path from 'node:path'
import * as z from 'zod'

const repository = path.resolve(import.meta.dirname, '../../..')
const optional = z
  .string()
  .transform((text) => (text.trim() === '' ? undefined : text.trim()))
  .optional()
const flag = z
  .enum(['0', '1', 'true', 'false', ''])
  .default('0')
  .transform((text) => text === '1' || text === 'true')

const Environment = z.object({
  NODE_ENV: z.enum(['development', 'production', 'test']).default('production'),
  /** Busy: the next free one is taken and said. */
  PORT: z.coerce.number('PORT must be a number.').int().min(0).max(65_535).default(3000),
  /** Address to listen on; unset: all. */
  HOST: optional,
  /** Keys and, without DATABASE_URL, the database. */
  DATA_ROOT: z
    .string()
    .default(path.join(repository, '.data/cloud'))
    .transform((dir) => path.resolve(dir)),
  DATABASE_URL: optional,
  /** How others reach this server, `https://dam.example.org`. Unset: the address of the request, or one of this machine's LAN addresses. */
  PUBLIC_URL: z
    .url({ protocol: /^https?$/, error: 'PUBLIC_URL must be like https://dam.example.org.' })
    .transform((url) => new URL(url).origin)
    .optional()
    .or(z.literal('').transform(() => undefined)),
  RELEASES_DIR: z
    .string()
    .default(path.join(repository, 'dist/release'))
    .transform((dir) => path.resolve(dir)),
  INSTALL_DIR: z
    .string()
    .default(path.join(repository, 'infra/install'))
    .transform((dir) => path.resolve(dir)),
  /** Signs the session cookies. Unset: made once and kept under DATA_ROOT. */
  NEXTAUTH_SECRET: optional,
  /** Addresses of proxies, with commas: X-Forwarded-For and X-Forwarded-Proto are believed from these alone. */
  TRUSTED_PROXY: z
    .string()
    .default('')
    .transform((text) =>
      text
        .split(',')
        .map((address) => address.trim())
        .filter((address) => address !== ''),
    ),
  /** Gets {url, pid} when the server answers. */
  READY_FILE: optional,
  FIRST_OWNER_EMAIL: z.string().default('owner@thatdam.local'),
  /** File with the first owner's password; unset: a one-time password is made. */
  FIRST_OWNER_PASSWORD_FILE: optional,
  /** Serve pages from source, with reloading. */
  CLOUD_DEV: flag,
})
export type Env = z.infer<typeof Environment>

/** Reads the environment. @throws Error with one line for each setting that is wrong. */
export function readEnv(): Env {
  const parsed = Environment.safeParse(process.env)
  if (!parsed.success) {
    throw new Error(parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('\n'))
  }
  // next-auth takes the address from the request then, whose forwarding headers our server overwrites.
  process.env['AUTH_TRUST_HOST'] = '1'
  delete process.env['NEXTAUTH_URL']
  return parsed.data
}
