import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import * as z from 'zod/mini'
import { DISCOVERY_TTL_MS, NODE_PORT } from '@thatdam/protocol/discovery'
import { ThatdamError } from '@thatdam/protocol/errors'
import { NodeId } from '@thatdam/protocol/ids'

const Text = z.optional(z.string())
const Environment = z.object({
  STATE_DIR: Text,
  DATA_ROOT: Text,
  CAS_ROOT: Text,
  /** Folders, `;`-separated. */
  INDEX_PATHS: Text,
  NODE_ID: z.optional(NodeId),
  CLOUD_CONTROL_URL: z.optional(z.url()),
  SERVICE_PORT: z.optional(z.coerce.number().check(z.int(), z.minimum(0), z.maximum(65_535))),
  NODE_API_PORT: z.optional(z.coerce.number().check(z.int(), z.minimum(0), z.maximum(65_535))),
  NODE_API_BIND: z.optional(z.ipv4()),
  DISCOVERY_BACKEND: Text,
  /** How long an announcement lives: `45s`, `2m`, or milliseconds. */
  DISCOVERY_TTL: z.optional(z.string().check(z.regex(/^\d{1,9}(ms|s|m)?$/, 'write it as 45s, 2m or milliseconds'))),
  MDNS_SERVICE: Text,
  UPSTREAM_HOST: Text,
  UPSTREAM_PORT: z.optional(z.coerce.number().check(z.int(), z.minimum(1), z.maximum(65_535))),
  GOSSIP_JOIN: Text,
  SERF_JOIN: Text,
  LOG_LEVEL: z.optional(z.enum(['debug', 'info', 'warn', 'error'])),
  LOG_FORMAT: z.optional(z.enum(['text', 'json'])),
  FFMPEG_PATH: Text,
  /** How services are run. */
  RUNTIME: z.optional(z.enum(['exec', 'docker', 'ns'])),
  RUNTIME_IMAGE: Text,
  DOCKER_SOCKET: Text,
  /** Names of generated cameras, `,`-separated: `clock`. */
  TEST_CAMERAS: Text,
  /** A folder with release.json and archives, asked before the cloud. */
  RELEASES_DIR: Text,
  /** A folder with server.mjs: the console of a checkout, instead of a bundle. */
  CONSOLE_DIR: Text,
  THATDAM_TOKEN: Text,
  /** `1`: this machine goes into the first ring whose owner lets it in, without a yes here. */
  ADOPT: z.optional(z.enum(['0', '1'])),
  /** A JSON file of facts that replace what was gathered: for tests and demos. */
  FACTS_FILE: Text,
})

type Variables = Readonly<Record<string, string | undefined>>

/** How this machine is found and reached by the others; words of the owner are judged where they are used. */
export interface NodeEnv {
  /** TCP and UDP. 0: any free one. */
  readonly port: number
  /** Only this IPv4 address of the machine; null: all of them. */
  readonly bindAddress: string | null
  readonly backend: string | undefined
  readonly ttlMs: number
  readonly mdnsService: string | null
  readonly upstream: { readonly host: string; readonly port: number } | null
  readonly seeds: string | undefined
}

export interface Env {
  readonly stateDir: string
  readonly casRoot: string
  /** Null: not set. */
  readonly indexPaths: readonly string[] | null
  readonly nodeId: string | null
  readonly cloudUrl: string | null
  readonly servicePort: number
  readonly node: NodeEnv
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error'
  readonly logFormat: 'text' | 'json'
  /** As the owner gave it; null: PATH decides. */
  readonly ffmpegPath: string | null
  readonly runtime: 'exec' | 'docker' | 'ns'
  /** Of the containers, with `docker`. */
  readonly runtimeImage: string
  readonly dockerSocket: string
  readonly testCameras: readonly string[]
  readonly releasesDir: string | null
  readonly consoleDir: string | null
  readonly token: string | null
  /** Nobody here has to say yes to six digits. */
  readonly adopt: boolean
  readonly factsFile: string | null
  /** For child processes: what we got, without our secrets. */
  readonly childEnvironment: NodeJS.ProcessEnv
}

/** The state directory when nobody says another: the system's place for root, else the person's own. */
export function defaultStateDir(platform: NodeJS.Platform, isRoot: boolean, source: Variables): string {
  if (platform === 'win32') return join(source['ProgramData'] ?? 'C:\\ProgramData', 'ThatDAM')
  if (platform === 'darwin') return isRoot ? '/Library/Application Support/ThatDAM' : join(homedir(), 'Library/Application Support/ThatDAM')
  return isRoot ? '/var/lib/thatdam' : join(source['XDG_DATA_HOME'] ?? join(homedir(), '.local/share'), 'thatdam')
}

/** The launcher keeps the agent small with these. Its children hash files and make pictures: they want threads, and their memory at once. */
const OWN_ALONE: ReadonlySet<string> = new Set(['UV_THREADPOOL_SIZE', 'MALLOC_TRIM_THRESHOLD_', 'MALLOC_TOP_PAD_'])

/** @throws ThatdamError that names the variable and what is wrong with it. */
export function readEnv(source: Variables = process.env): Env {
  const given = Object.fromEntries(Object.entries(source).filter(([, value]) => value !== undefined && value.trim() !== ''))
  const parsed = Environment.safeParse(given)
  if (!parsed.success) {
    const issue = parsed.error.issues[0]
    const name = String(issue?.path[0] ?? '')
    throw new ThatdamError('BAD_REQUEST', `The environment variable ${name} cannot be used: ${issue?.message ?? 'not as expected'}.`)
  }
  const values = parsed.data
  const stateDir = resolve(values.STATE_DIR ?? defaultStateDir(process.platform, process.getuid?.() === 0, source))
  const dataRoot = values.DATA_ROOT === undefined ? stateDir : resolve(values.DATA_ROOT)
  const { THATDAM_TOKEN: _token, ...others } = source
  const childEnvironment = Object.fromEntries(Object.entries(others).filter(([name]) => !OWN_ALONE.has(name)))
  return {
    stateDir,
    casRoot: resolve(values.CAS_ROOT ?? join(dataRoot, 'store')),
    indexPaths: values.INDEX_PATHS === undefined ? null : splitPaths(values.INDEX_PATHS),
    nodeId: values.NODE_ID ?? null,
    cloudUrl: values.CLOUD_CONTROL_URL?.replace(/\/+$/, '') ?? null,
    servicePort: values.SERVICE_PORT ?? 8080,
    node: nodeEnvOf(values),
    logLevel: values.LOG_LEVEL ?? 'info',
    logFormat: values.LOG_FORMAT ?? 'text',
    ffmpegPath: values.FFMPEG_PATH ?? null,
    runtime: values.RUNTIME ?? 'exec',
    runtimeImage: values.RUNTIME_IMAGE ?? 'thatdam-runtime',
    dockerSocket: values.DOCKER_SOCKET ?? '/var/run/docker.sock',
    testCameras: (values.TEST_CAMERAS ?? '')
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== ''),
    releasesDir: values.RELEASES_DIR ?? null,
    consoleDir: values.CONSOLE_DIR ?? null,
    token: values.THATDAM_TOKEN ?? null,
    adopt: values.ADOPT === '1',
    factsFile: values.FACTS_FILE === undefined ? null : resolve(values.FACTS_FILE),
    childEnvironment: { MALLOC_ARENA_MAX: '2', ...childEnvironment } as Variables as NodeJS.ProcessEnv,
  }
}

function nodeEnvOf(values: z.infer<typeof Environment>): NodeEnv {
  const port = values.NODE_API_PORT ?? NODE_PORT
  const host = values.UPSTREAM_HOST?.trim()
  return {
    port,
    bindAddress: values.NODE_API_BIND ?? null,
    backend: values.DISCOVERY_BACKEND,
    ttlMs: millisecondsOf(values.DISCOVERY_TTL) ?? DISCOVERY_TTL_MS,
    mdnsService: values.MDNS_SERVICE ?? null,
    upstream: host === undefined ? null : { host, port: values.UPSTREAM_PORT ?? (port || NODE_PORT) },
    seeds: values.GOSSIP_JOIN ?? values.SERF_JOIN,
  }
}

function millisecondsOf(text: string | undefined): number | null {
  const [, digits, unit = 'ms'] = /^(\d+)(ms|s|m)?$/.exec(text ?? '') ?? []
  if (digits === undefined) return null
  return Math.max(1_000, Number(digits) * { ms: 1, s: 1_000, m: 60_000 }[unit as 'ms' | 's' | 'm'])
}

function splitPaths(text: string): string[] {
  const paths = text
    .split(';')
    .map((path) => path.trim())
    .filter((path) => path !== '')
  return [...new Set(paths.map((path) => resolve(path.replace(/^~(?=$|[/\\])/, homedir()))))]
}
