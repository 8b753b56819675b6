// npm start: from a clean clone to the cloud app, this machine as its first node, and the console. Node 20 or newer, no libraries of its own.
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { buildAll } from './lib/build.mjs'
import { ensureInstalled } from './lib/install.mjs'
import { launch } from './lib/launch.mjs'
import { inRoot, node26, toolEnvironment } from './lib/paths.mjs'
import { ensureFfmpeg } from './lib/programs.mjs'
import { run } from './lib/run.mjs'
import { giveUp, makeSay } from './lib/say.mjs'
import { Service } from './lib/service.mjs'

const HELP = `npm start [-- options]
  --yes            install missing system programs without asking
  --verbose        show the programs' own output (it is always in .data/logs)
  --data DIR       where everything is kept (default .data)
Environment: INDEX_PATHS="a;b" folders to index, PORT (3000) of the cloud app, SERVICE_PORT (8080) of the console,
  PUBLIC_URL, FFMPEG_PATH, TEST_CAMERAS=clock (a test camera), DATABASE_URL (a PostgreSQL of yours for the cloud app).`

const { values: options } = parseArgs({
  options: { yes: { type: 'boolean' }, verbose: { type: 'boolean' }, help: { type: 'boolean' }, data: { type: 'string' } },
})
if (options.help) {
  console.log(HELP)
  process.exit(0)
}
const [major = 0] = process.versions.node.split('.').map(Number)
if (major < 20)
  giveUp(
    `Node ${process.versions.node} is too old to begin with: install Node 20 or newer from https://nodejs.org, then run npm start again.`,
  )

const say = makeSay('start')
const dataDir = options.data ? fs.realpathSync(ensureDir(options.data)) : ensureDir(inRoot('.data'))
const stateDir = ensureDir(`${dataDir}/node`)
/** @type {Service[]} */
const services = []
let stopping = false

await main()

async function main() {
  refuseSecondStart()
  await ensureInstalled(say)
  const ffmpegPath = await ensureFfmpeg({ yes: options.yes === true || process.stdin.isTTY !== true, say })
  await buildAll(say)
  watchSignals()
  const cloudUrl = await startCloud()
  const owner = await bootstrap()
  await register(cloudUrl, owner.joinToken)
  const consoleUrl = await startAgent(cloudUrl, ffmpegPath)
  announce(cloudUrl, consoleUrl, owner)
}

/** @param {string} directory */
function ensureDir(directory) {
  fs.mkdirSync(directory, { recursive: true, mode: 0o700 })
  return directory
}

function refuseSecondStart() {
  const file = `${dataDir}/start.json`
  try {
    const { pid, cloudUrl, consoleUrl } = JSON.parse(fs.readFileSync(file, 'utf8'))
    process.kill(pid, 0)
    if (pid !== process.pid && isStartScript(pid, fs.statSync(file).mtimeMs))
      giveUp(
        `ThatDAM already runs from here (process ${pid}): ${cloudUrl ?? 'still starting'}${consoleUrl ? `, console ${consoleUrl}` : ''}. Stop it with Ctrl-C there, or: kill ${pid}`,
      )
  } catch {
    // No file, or its process is gone: a first start, or one after a crash.
  }
  fs.writeFileSync(file, JSON.stringify({ pid: process.pid }))
}

/**
 * A process id is used again after a reboot: only one that runs this script counts. Where the system does not say that, one that was
 * written down since it started. @param {number} pid @param {number} writtenMs
 */
function isStartScript(pid, writtenMs) {
  try {
    return fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('start.mjs')
  } catch {
    return process.platform !== 'linux' && writtenMs > Date.now() - os.uptime() * 1000
  }
}

/**
 * Waits for a file that a started program writes when it is ready.
 * @template T @param {Service} service @param {() => T | null} read @param {number} limitMs
 * @returns {Promise<T>}
 */
async function waitFor(service, read, limitMs) {
  const deadline = Date.now() + limitMs
  for (;;) {
    const value = read()
    if (value) return value
    if (Date.now() > deadline) await fail(`${service.name} did not get ready within ${limitMs / 1000} s.`, service)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

/** @param {string} file @param {number} [pid] the file counts only when this process wrote it */
function readReady(file, pid) {
  try {
    const value = JSON.parse(fs.readFileSync(file, 'utf8'))
    return pid === undefined || value.pid === pid ? value : null
  } catch {
    return null
  }
}

async function startCloud() {
  say('starting the cloud app')
  const readyFile = `${dataDir}/cloud/ready.json`
  ensureDir(`${dataDir}/cloud`)
  fs.rmSync(readyFile, { force: true })
  const cloud = start('cloud', ['src/server/main.ts'], inRoot('apps', 'cloud'), {
    NODE_ENV: 'production',
    DATA_ROOT: `${dataDir}/cloud`,
    READY_FILE: readyFile,
    RELEASES_DIR: inRoot('dist', 'release'),
  })
  const ready = await waitFor(cloud, () => readReady(readyFile, cloud.child.pid), 90_000)
  sayPort('PORT', 3000, String(ready.url), 'the cloud app')
  return String(ready.url)
}

/** A taken port is no failure, but a person who types the usual address must hear of it. @param {string} variable @param {number} usual @param {string} url @param {string} what */
function sayPort(variable, usual, url, what) {
  const wanted = Number(process.env[variable] || usual)
  const used = Number(new URL(url).port)
  if (wanted !== 0 && used !== wanted) say(`port ${wanted} is taken by another program: ${what} uses ${used} instead`)
}

/** Relative folders are those of the person's shell, not of the folder that the agent runs in. */
function indexPaths() {
  const given = process.env.INDEX_PATHS
  const from = process.env.INIT_CWD ?? process.cwd()
  const absolute = given?.split(';').map((entry) => (/^\s*(~|$)/.test(entry) ? entry : path.resolve(from, entry.trim())))
  return absolute ? { INDEX_PATHS: absolute.join(';') } : {}
}

/** The first owner, and a token for this machine. @returns {Promise<{ email: string, oneTimePassword: string | null, joinToken: string }>} */
async function bootstrap() {
  const env = { ...toolEnvironment(), DATA_ROOT: `${dataDir}/cloud`, NODE_ENV: 'production' }
  const result = await run(node26, ['src/server/bootstrap.ts'], { cwd: inRoot('apps', 'cloud'), env, quiet: true, timeoutMs: 60_000 })
  const line = result.output.trim().split('\n').at(-1) ?? ''
  if (result.code !== 0 || !line.startsWith('{')) await fail(`Making the first owner failed: ${result.output.trim()}`)
  return JSON.parse(line)
}

/** @param {string} cloudUrl @param {string} token */
async function register(cloudUrl, token) {
  if (fs.existsSync(`${stateDir}/credential.json`)) return
  say('registering this machine')
  const env = { ...toolEnvironment(), STATE_DIR: stateDir, THATDAM_TOKEN: token }
  const result = await run(node26, [inRoot('apps', 'agent', 'dist', 'thatdam.cjs'), 'register', '--url', cloudUrl], {
    env,
    quiet: true,
    timeoutMs: 60_000,
  })
  if (result.code !== 0) await fail(`Registering this machine failed: ${result.output.trim()}`)
}

/** @param {string} cloudUrl @param {string | null} ffmpegPath */
async function startAgent(cloudUrl, ffmpegPath) {
  say('starting this machine')
  fs.rmSync(`${stateDir}/gateway.json`, { force: true }) // a new one means that the door is open
  const agent = start('agent', [...launch.flags, inRoot('apps', 'agent', 'dist', 'thatdam.cjs'), 'run'], dataDir, {
    STATE_DIR: stateDir,
    CLOUD_CONTROL_URL: cloudUrl,
    DATABASE_URL: undefined, // the owner's server is for the cloud app; the console keeps its own
    RELEASES_DIR: inRoot('dist', 'release'),
    ...launch.environment,
    ...(ffmpegPath && { FFMPEG_PATH: ffmpegPath }),
    ...indexPaths(),
  })
  const gateway = await waitFor(agent, () => readReady(`${stateDir}/gateway.json`), 90_000)
  const consoleUrl = String(gateway.url)
  sayPort('SERVICE_PORT', 8080, consoleUrl, 'the console')
  say('starting the console (its database is made the first time)')
  const deadline = Date.now() + 120_000
  while (!(await consoleAnswers(consoleUrl))) {
    if (Date.now() > deadline) {
      say(`the console is still starting; ${agent.logFile} says more`)
      break
    }
    await new Promise((resolve) => setTimeout(resolve, 300))
  }
  return consoleUrl
}

/** @param {string} url */
async function consoleAnswers(url) {
  try {
    return (await fetch(url, { signal: AbortSignal.timeout(5000) })).ok
  } catch {
    return false
  }
}

/** @param {string} name @param {string[]} args @param {string} cwd @param {NodeJS.ProcessEnv} env */
function start(name, args, cwd, env) {
  const service = new Service({
    name,
    args,
    cwd,
    env: { ...toolEnvironment(), ...env },
    logFile: `${dataDir}/logs/${name}.log`,
    verbose: options.verbose === true,
    onExit: (code) => void fail(`The ${name} ended by itself (code ${code}).`, service),
  })
  services.push(service)
  return service
}

/** @param {string} cloudUrl @param {string} consoleUrl @param {{ email: string, oneTimePassword: string | null }} owner */
function announce(cloudUrl, consoleUrl, owner) {
  fs.writeFileSync(`${dataDir}/start.json`, JSON.stringify({ pid: process.pid, cloudUrl, consoleUrl }))
  const lines = [
    '',
    `  Your media and cameras   ${consoleUrl}`,
    `  Cloud app                ${cloudUrl}`,
    `    sign in as             ${owner.email}`,
    ...(owner.oneTimePassword ? [`    one-time password      ${owner.oneTimePassword}`] : []),
    '',
    ...(process.env.INDEX_PATHS ? [] : ['  Nothing is indexed yet: the console’s first screen proposes folders.']),
    '  Ctrl-C stops everything in order.',
    '',
  ]
  console.log(lines.join('\n'))
}

/** @param {string} sentence @param {Service} [service] @returns {Promise<never>} */
async function fail(sentence, service) {
  if (stopping) return await new Promise(() => {}) // the stop under way ends the process
  console.error(`\n${sentence}`)
  if (service) console.error(`Its log is ${service.logFile}; the end of it:\n${service.lastLines()}`)
  await stopAll(1)
  return process.exit(1)
}

/** The agent first, so that it can say goodbye to the cloud. @param {number} code */
async function stopAll(code) {
  if (stopping) return
  stopping = true
  for (const service of services.toReversed()) {
    say(`stopping ${service.name}`)
    await service.stop()
  }
  fs.rmSync(`${dataDir}/start.json`, { force: true })
  say('stopped')
  process.exit(code)
}

function watchSignals() {
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) process.on(signal, () => void stopAll(0))
  // A SIGTERM to npm is not passed on by every shell: when npm is gone, so are we.
  const parent = process.ppid
  setInterval(() => {
    if (process.ppid !== parent) void stopAll(0)
  }, 500).unref()
}
